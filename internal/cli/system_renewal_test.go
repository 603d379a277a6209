package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
	"github.com/iotfile-operator/iotfile-operator/internal/tcpfault"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
)

// shortTokens stands before the API server, which gives no token for less than ten minutes. It
// binds each to a Secret of its own, says that it is good for two seconds, and deletes the Secret
// when it has given the second one after it: then the API server takes the token for bad.
type shortTokens struct {
	t    *testing.T
	kube kubernetes.Interface
	next http.Handler

	mu      sync.Mutex
	tokens  []string
	secrets []string // of the tokens
}

const shortLife = 2 // seconds

func startShortTokens(t *testing.T, config *rest.Config) (*shortTokens, string) {
	t.Helper()
	transport, err := rest.TransportFor(config)
	check(t, err)
	target, err := url.Parse(config.Host)
	check(t, err)
	kube, err := kubernetes.NewForConfig(config)
	check(t, err)
	s := &shortTokens{t: t, kube: kube, next: &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server.URL
}

// ServeHTTP implements http.Handler.
func (s *shortTokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	namespace, account, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/api/v1/namespaces/"), "/token"), "/serviceaccounts/")
	if !ok || r.Method != http.MethodPost {
		s.next.ServeHTTP(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, err := s.give(r, namespace, account)
	if err != nil {
		s.t.Error(err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *shortTokens) give(r *http.Request, namespace, account string) (*authenticationv1.TokenRequest, error) {
	ctx := context.WithoutCancel(r.Context()) // a command may end before its next token comes
	secrets := s.kube.CoreV1().Secrets(namespace)
	secret, err := secrets.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{GenerateName: "short-"}}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	seconds := int64(600)
	answer, err := s.kube.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, account, &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences: []string{"iotfile.dev"}, ExpirationSeconds: &seconds,
		BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Secret", Name: secret.Name, UID: secret.UID},
	}}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	s.tokens, s.secrets = append(s.tokens, answer.Status.Token), append(s.secrets, secret.Name)
	if n := len(s.secrets); n > 2 { // a request that is on its way may have the one before
		if err := secrets.Delete(ctx, s.secrets[n-3], metav1.DeleteOptions{}); err != nil {
			return nil, err
		}
	}
	answer.Kind, answer.APIVersion = "TokenRequest", "authentication.k8s.io/v1"
	answer.Spec.ExpirationSeconds = new(int64(shortLife))
	return answer, nil
}

func (s *shortTokens) given() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.tokens...)
}

// TestRenewal: a transfer that takes longer than its token goes on with the next ones, while the
// REST API refuses the first.
func TestRenewal(t *testing.T) {
	c := newShell(t)
	replica, err := c.AddReplica(t.Context(), "--auth-cache-ttl=1s") // else it would take the first for two minutes
	check(t, err)
	tokens, apiServer := startShortTokens(t, c.ControlPlane.RESTConfig())
	c.write(t, "kubeconfig", []byte(`{apiVersion: v1, kind: Config, current-context: a, clusters: [{name: a, cluster: {server: "`+apiServer+`"}}],
users: [{name: a, user: {}}], contexts: [{name: a, context: {cluster: a, user: a, namespace: `+devcluster.SampleNamespace+`}}]}`))
	c.env = append(without(c.env, "IOTFILE_TOKEN", "KUBECONFIG"), "KUBECONFIG=kubeconfig")
	slow := testkit.FaultyTCP(t, strings.TrimPrefix(replica.URL, "http://"))
	slow.Add("slow", tcpfault.Fault{Kind: tcpfault.Latency, Delay: 60 * time.Millisecond, Towards: tcpfault.Upstream})

	f := c.newFile("long.bin")
	content := random(20 * 5 * mib)
	c.write(t, "long.bin", content)
	cmd, _, told := c.command(t, "put", "--as-sa", "sample-app", "--parallel", "1", "--part-size", "5Mi", "--server", "http://"+slow.Addr(), "long.bin", f.entity+"/long.bin")
	check(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	eventually(t, "the first token is refused", func() error {
		given := tokens.given()
		if len(given) < 4 {
			return fmt.Errorf("%d tokens were given", len(given))
		}
		if status := headWith(t, replica.URL, f, given[0]); status != http.StatusUnauthorized {
			return fmt.Errorf("the first of %d tokens gets %d", len(given), status)
		}
		return nil
	})
	select {
	case err := <-ended:
		t.Fatalf("the transfer has ended before its first token did, %v:\n%s", err, told)
	default:
	}
	slow.Remove("slow")
	if err := <-ended; err != nil {
		t.Errorf("the transfer ends with %v:\n%s", err, told)
	}
	for _, token := range tokens.given() {
		if bytes.Contains(told.Bytes(), []byte(token)) {
			t.Error("a token is printed")
		}
	}
	f.checkContent(t, content)
}

func headWith(t *testing.T, server string, f *remote, token string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodHead, server+"/api/iotfile/v3/files/"+f.entity+"/"+f.path, nil)
	check(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(request)
	check(t, err)
	_ = answer.Body.Close()
	return answer.StatusCode
}
