package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
)

// developerAccount is who uses the command line from outside of the cluster, with nothing but a
// kubeconfig.
const developerAccount = "developer"

// developer gives the account the Role that is shipped for it, and a kubeconfig.
func (s *suite) developer(ctx context.Context) (kubeconfig string, err error) {
	_, err = s.kubectl(ctx, "", "create", "rolebinding", "developers", "--namespace="+operatorNamespace, "--role=iotfile-port-forward", "--serviceaccount="+teamNamespace+":"+developerAccount)
	if err != nil && !strings.Contains(err.Error(), "already exists") {
		return "", err
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To(int64(3600))}}
	token, err := s.client.CoreV1().ServiceAccounts(teamNamespace).CreateToken(ctx, developerAccount, request, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["cluster"] = &clientcmdapi.Cluster{Server: s.config.Host, CertificateAuthorityData: s.config.CAData, CertificateAuthority: s.config.CAFile}
	config.AuthInfos[developerAccount] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	config.Contexts["cluster"] = &clientcmdapi.Context{Cluster: "cluster", AuthInfo: developerAccount, Namespace: teamNamespace}
	config.CurrentContext = "cluster"
	kubeconfig = filepath.Join(s.scratch, "developer.kubeconfig")
	return kubeconfig, clientcmd.WriteToFile(*config, kubeconfig)
}

// event is what the command line tells of.
type event struct {
	Event, Message string
	Size, Done     int64
}

// developerRuns runs the command line as the developer types it. Nothing says where the REST API
// is. told, if not nil, gets what it tells of as events.
func (s *suite) developerRuns(ctx context.Context, kubeconfig string, told func(event), args ...string) error {
	cmd := exec.CommandContext(ctx, s.CLI, append(args, "--as-sa=app")...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "HOME="+s.home)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if told != nil {
		cmd.Stdout = nil
		out, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		for lines := bufio.NewScanner(out); lines.Scan(); {
			fmt.Fprintln(&stdout, lines.Text())
			var e event
			if json.Unmarshal(lines.Bytes(), &e) == nil {
				told(e)
			}
		}
	} else if err := cmd.Start(); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, stdout.String(), stderr.String())
	}
	return nil
}
