package connection

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"

	"github.com/iotfile-operator/iotfile-operator/client"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/forward"
	"github.com/iotfile-operator/iotfile-operator/internal/version"
)

// Variables of the environment. `make run` writes the first three.
const (
	envServer    = "IOTFILE_URL"
	envNamespace = "IOTFILE_NAMESPACE"
	envToken     = "IOTFILE_TOKEN" //nolint:gosec // a name
	envEntity    = "IOTFILE_ENTITY"
)

// extensionName is the extension of a context of a kubeconfig that says what stands in no other of
// its fields: server and entity.
const extensionName = "iotfile.dev"

// Flags say which REST API is meant, and as whom it is used.
type Flags struct {
	kube *genericclioptions.ConfigFlags

	server, operatorNamespace, caFile, tokenFile, serviceAccount, audience, entity string
}

// NewFlags makes flags that have not been given.
func NewFlags() *Flags {
	all := genericclioptions.NewConfigFlags(true)
	// No others: a token or password does not belong into a command line, and the server that is
	// meant here is another one.
	return &Flags{kube: &genericclioptions.ConfigFlags{KubeConfig: all.KubeConfig, Context: all.Context, Namespace: all.Namespace}}
}

// Add adds the flags to those of a command.
func (f *Flags) Add(to *pflag.FlagSet) {
	f.kube.AddFlags(to)
	to.Lookup("namespace").Usage = "Namespace whose files are meant. Default: $" + envNamespace + ", else that of the token, else that of the context"
	to.Lookup("kubeconfig").Usage = "Path of the kubeconfig. Default: $KUBECONFIG, else ~/.kube/config"
	to.Lookup("context").Usage = "Context of the kubeconfig. Default: its current one"
	to.StringVar(&f.server, "server", "", "Address of the REST API, such as https://files.example.com. Default: $"+envServer+", else what the context says, else the operator's Service in its cluster, through a port-forward")
	to.StringVar(&f.operatorNamespace, "operator-namespace", "", "Namespace that the operator is installed in. Default: "+forward.DefaultNamespace+", else the one that has its Service, where you may list Services everywhere")
	to.StringVar(&f.caFile, "ca-file", "", "PEM file of the authorities that the REST API's certificate is checked with. Default: those of the system, or of $SSL_CERT_FILE; through a port-forward those of the operator's ConfigMap iotfile-ca")
	to.StringVar(&f.tokenFile, "token-file", "", "File with the token, read again for each request. Default: $"+envToken+", else "+iotfile.DefaultTokenFile+" where it exists, else your own token of the kubeconfig")
	to.StringVar(&f.serviceAccount, "as-sa", "", "Service account, as NAME or NAMESPACE/NAME, that a token is asked for and renewed; you need the right to create serviceaccounts/token there")
	to.StringVar(&f.audience, "audience", "iotfile.dev", "What tokens of --as-sa are for: one of the operator's --token-audiences")
	to.StringVar(&f.entity, "entity", "", "Entity that paths are of, 32 lower-case hexadecimal digits. Default: the first segment of the path, where it is one, else $"+envEntity+", else what the context says")
}

// Kube gives the way to the Kubernetes API, and the namespace that is meant there.
func (f *Flags) Kube() (config *rest.Config, namespace string, err error) {
	if config, err = f.kube.ToRESTConfig(); err != nil {
		return nil, "", fmt.Errorf("the kubeconfig: %w", err)
	}
	config.UserAgent = version.UserAgent()
	return config, cmp.Or(f.Namespace(), f.contextNamespace()), nil
}

// CAFile is the file of authorities that was given, "" for none.
func (f *Flags) CAFile() string { return f.caFile }

// Namespace is the namespace that was named, "" for none.
func (f *Flags) Namespace() string { return cmp.Or(*f.kube.Namespace, os.Getenv(envNamespace)) }

// Context is the context of the kubeconfig that is meant, "" where there is none.
func (f *Flags) Context() string {
	config, err := f.kube.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return ""
	}
	return cmp.Or(*f.kube.Context, config.CurrentContext)
}

func (f *Flags) contextNamespace() string {
	namespace, _, err := f.kube.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return ""
	}
	return namespace
}

// OperatorNamespace is where the operator is installed, as far as the flags say.
func (f *Flags) OperatorNamespace() string {
	return cmp.Or(f.operatorNamespace, forward.DefaultNamespace)
}

// Entity is the entity that was given, and whether a flag has given it; "" where nothing did.
func (f *Flags) Entity() (entity string, explicit bool) {
	if f.entity != "" {
		return f.entity, true
	}
	return cmp.Or(os.Getenv(envEntity), f.extension().Entity), false
}

// extension is what a context of the kubeconfig says beyond its own fields.
type extension struct{ Server, Entity string }

// extension reads it. A kubeconfig that cannot be read has none: whoever needs it says why.
func (f *Flags) extension() (e extension) {
	config, err := f.kube.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return e
	}
	current := config.Contexts[cmp.Or(*f.kube.Context, config.CurrentContext)]
	if current == nil {
		return e
	}
	if raw, ok := current.Extensions[extensionName].(*runtime.Unknown); ok {
		_ = json.Unmarshal(raw.Raw, &e)
	}
	return e
}

// Connection is the REST API as somebody.
type Connection struct {
	*iotfile.Client
	// Server is the address, Namespace the one that is named in requests, "" for that of the token.
	Server, Namespace string
	// Token gives tokens, From says where they come from.
	Token iotfile.TokenSource
	From  string
	// CAFile is the file of authorities, "" for the system's.
	CAFile string
	// way is the way through the API server, nil where Server is an address for this machine.
	way *forward.Way
	// transport is that of the way.
	transport http.RoundTripper
}

// Connect finds the REST API and a token. attempt, if not nil, is told of each attempt of a
// request. It asks the Kubernetes API for a token where --as-sa says so, and for a connection to
// the operator where nothing says its address; and else sends nothing.
func (f *Flags) Connect(ctx context.Context, attempt func(iotfile.Attempt)) (*Connection, error) {
	c := &Connection{Server: cmp.Or(f.server, os.Getenv(envServer), f.extension().Server), Namespace: f.Namespace(), CAFile: f.caFile}
	if c.Server == "" {
		if err := f.throughCluster(ctx, c); err != nil {
			return nil, err
		}
	}
	if err := f.chooseToken(ctx, c); err != nil {
		return nil, err
	}
	var err error
	c.Client, err = iotfile.New(c.Server, &iotfile.Options{
		Token: c.Token, Namespace: c.Namespace, CAFile: c.CAFile, Transport: c.transport, OnAttempt: attempt, UserAgent: "kubectl-iotfile/" + version.Number(),
	})
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "iotfile: "))
	}
	return c, nil
}
