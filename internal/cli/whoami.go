package cli

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/iotfile-operator/iotfile-operator/internal/cli/connection"
	"github.com/iotfile-operator/iotfile-operator/internal/cli/report"
)

func (e *environment) whoami() *cobra.Command {
	o := &output{}
	cmd := &cobra.Command{
		Use:   "whoami [ENTITY]",
		Short: "Show who you are to the REST API, and what you may do",
		Long: `Show where the REST API is, where the token comes from and what it says of itself, and which verbs the REST API lets
you do with the files of an entity; without ENTITY, of one that no role names. It asks the REST API by requests that are
refused in any case: nothing is read, made or deleted.`,
		Example: examples(`
kubectl iotfile whoami
kubectl iotfile whoami 0123456789abcdef0123456789abcdef --as-sa app`),
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.runWhoami(cmd.Context(), o, strings.Join(args, ""))
		},
	}
	o.add(cmd)
	return cmd
}

func (e *environment) runWhoami(ctx context.Context, o *output, entity string) error {
	entity, err := e.entityOr(strings.TrimSuffix(entity, "/"))
	if err != nil {
		return err
	}
	c, err := e.flags.Connect(ctx, nil)
	if err != nil {
		return err
	}
	claims, err := c.Claims(ctx)
	if err != nil {
		return err
	}
	rights, may := map[string]any{}, []string{}
	for _, verb := range connection.Verbs {
		allowed, err := c.Allowed(ctx, entity, verb)
		if err != nil {
			return err
		}
		rights[verb] = allowed
		may = append(may, verb+map[bool]string{true: " yes", false: " no"}[allowed])
	}
	if o.objects() {
		object := header("Caller")
		object["server"], object["tokenFrom"], object["entity"], object["rights"] = c.Server, c.From, entity, rights
		for name, text := range map[string]string{"namespace": c.Namespace, "subject": claims.Subject, "expires": timestamp(claims.Expires)} {
			if text != "" {
				object[name] = text
			}
		}
		return o.printOne(e.Out, object)
	}
	t := newTable(e.Out)
	t.row("Server", c.Server+c.Via())
	t.row("Namespace", cmp.Or(c.Namespace, "that of the token"))
	t.row("Token", "from "+c.From)
	if claims.Subject != "" {
		t.row("Subject", claims.Subject)
		t.row("Audience", strings.Join(claims.Audience, ", "))
	}
	if !claims.Expires.IsZero() {
		t.row("Ends", when(claims.Expires)+" UTC, in "+report.Duration(time.Until(claims.Expires)))
	}
	t.row("Entity", map[bool]string{true: "any that no role names", false: entity}[entity == anyEntity])
	t.row("Files", strings.Join(may, ", "))
	return t.flush()
}
