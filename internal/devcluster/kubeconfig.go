package devcluster

import (
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// adminConfig is how to reach the API server at url as its administrator, with the key material in
// pki.
func adminConfig(url, pki string) (*rest.Config, error) {
	return clientConfig(url, pki, adminCert, adminKey)
}

func clientConfig(url, pki, certFile, keyFile string) (*rest.Config, error) {
	config := &rest.Config{
		Host: url,
		// Unlimited: the server's own fairness is all the protection that a development machine
		// needs.
		QPS: -1,
	}
	for file, data := range map[string]*[]byte{caCert: &config.CAData, certFile: &config.CertData, keyFile: &config.KeyData} {
		content, err := os.ReadFile(filepath.Join(pki, file))
		if err != nil {
			return nil, err
		}
		*data = content
	}
	return config, nil
}

// writeKubeconfig writes config as a kubeconfig file of one context, everything embedded, readable
// by us alone.
func writeKubeconfig(path, user string, config *rest.Config) error {
	const cluster = "devcluster"
	file := clientcmdapi.NewConfig()
	file.Clusters[cluster] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	file.AuthInfos[user] = &clientcmdapi.AuthInfo{
		ClientCertificateData: config.CertData,
		ClientKeyData:         config.KeyData,
		Token:                 config.BearerToken,
	}
	file.Contexts[cluster] = &clientcmdapi.Context{Cluster: cluster, AuthInfo: user, Namespace: "default"}
	file.CurrentContext = cluster
	data, err := clientcmd.Write(*file)
	if err != nil {
		return err
	}
	return writeFile(path, data)
}
