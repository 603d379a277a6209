package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/ui"
	"github.com/iotfile-operator/iotfile-operator/internal/version"
)

// uiOptions are the flags of ui.
type uiOptions struct {
	port   int
	noOpen bool
}

func (e *environment) ui() *cobra.Command {
	o := &uiOptions{}
	cmd := &cobra.Command{
		Use:   "ui",
		Short: "Show uploads, files and stores in the browser",
		Long: `Serve a page on this machine that shows uploads as they arrive, files, and stores, and that sends the files which are
dropped on it. It listens on 127.0.0.1 alone and does all with your own rights: those on the Kubernetes API, and those
of the token that the other commands take. The page never gets a token.

The link that is printed lets one browser in, once; Enter prints another one. Where there is a screen, the browser is
opened. An interrupt ends the page, and the transfers of its tabs: what has arrived stays, and the page goes on with it.`,
		Example: examples(`
kubectl iotfile ui
# as an application, on a port that a tunnel leads to
kubectl iotfile ui -n team-a --as-sa app --port 8090 --no-open`),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.runUI(cmd.Context(), o) },
	}
	cmd.Flags().IntVar(&o.port, "port", 0, "Port on 127.0.0.1; 0 for that of the last time, or any free one")
	cmd.Flags().BoolVar(&o.noOpen, "no-open", false, "Open no browser, print the link alone")
	return cmd
}

func (e *environment) runUI(ctx context.Context, o *uiOptions) error {
	if o.port < 0 || o.port > 65535 {
		return usagef("--port is from 0 to 65535")
	}
	config, namespace, noKube := e.flags.Kube()
	entity, _ := e.flags.Entity()
	page, err := ui.New(ctx, ui.Options{
		Page: e.page, Port: o.port, LastPort: lastPort(), Kube: config, NoKube: noKube, API: e.findAPI,
		Info: ui.Info{Version: version.Number(), Context: e.flags.Context(), Namespace: cmp.Or(namespace, e.flags.Namespace()), Entity: entity},
	})
	if err != nil {
		return err
	}
	link := page.Link()
	fmt.Fprintln(e.Out, link)
	fmt.Fprintln(e.Err, "Open this link: it works once. Enter prints another one, Ctrl-C ends the page.")
	remove := func() {}
	if !o.noOpen && report.IsTerminal(e.Out) && ui.HasScreen() {
		if opened, err := ui.Open(ctx, page.Link()); err == nil { // a link of its own: the printed one stays good
			remove = opened
		}
	}
	defer func() { remove() }()
	page.Prompt(e.In, func(link string) { fmt.Fprintln(e.Out, link) })
	<-ctx.Done()        // that is how a page ends
	return page.Close() //nolint:contextcheck // ctx is done
}

// lastPort is the file that remembers the port of the page, "" where there is no place for one.
func lastPort() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "kubectl-iotfile", "page-port")
}

// findAPI finds the REST API and a token as the other commands do.
func (e *environment) findAPI(ctx context.Context) (*ui.API, error) {
	c, err := e.flags.Connect(ctx, nil)
	if err != nil {
		return nil, err
	}
	transport, err := c.Transport()
	if err != nil {
		return nil, err
	}
	claims, err := c.Claims(ctx)
	if err != nil {
		return nil, err
	}
	return &ui.API{
		Server: c.Server, Via: strings.TrimSpace(c.Via()), Namespace: c.Namespace, Caller: claims.Subject, TokenFrom: c.From, Token: c.Token, Transport: transport,
	}, nil
}
