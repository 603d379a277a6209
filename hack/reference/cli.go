package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"github.com/iotfile-operator/iotfile-operator/internal/cli"
	"github.com/iotfile-operator/iotfile-operator/internal/version"
)

const cliHead = `# kubectl iotfile

Moves files of any size to and from the platform's object storage, from a terminal, a script or a pod.

` + "```sh" + `
# in a checkout: make cli, which builds bin/kubectl-iotfile
go install github.com/iotfile-operator/iotfile-operator/cmd/kubectl-iotfile@latest
# in the cluster of the kubeconfig; IOTFILE_URL or --server names another place
kubectl iotfile put --as-sa app engine.bin 0123456789abcdef0123456789abcdef/logs/engine.bin
kubectl iotfile get --as-sa app 0123456789abcdef0123456789abcdef/logs/engine.bin copy.bin
` + "```" + `

kubectl finds the program by its name on the PATH. It runs without kubectl as well, as ` + "`kubectl-iotfile`" + `. Applications
that are written in Go take [the library](apps.md#in-go) that it stands on. In the browser it is [a page](ui.md):
` + "`kubectl iotfile ui`" + `.

![A terminal: three files are sent, interrupted, and sent on by the same command](images/put.svg)

## Where the REST API is

` + "`--server`" + `, else ` + "`$IOTFILE_URL`" + `, else [what the context says](#whose-files). Where nothing says it, the cluster of the
kubeconfig is asked for the operator's Service, and the API server for connections to its pods, as by ` + "`kubectl" + `
` + "port-forward`" + `. No port is opened on this machine. When a pod goes, as in a rollout, another one is asked, and what was
under way is sent again. It takes the Role ` + "`iotfile-port-forward`" + `, which the platform [binds to
you](security.md#from-outside-of-the-cluster).

The operator is looked for in the namespace ` + "`iotfile-system`" + `, and then in all, which takes the right to list Services
there: without it, and where there are several, ` + "`--operator-namespace`" + ` says which. Its certificate is checked with
the ConfigMap ` + "`iotfile-ca`" + ` that it writes, unless ` + "`--ca-file`" + ` is given. In a pod give the address:
` + "`https://iotfile.iotfile-system.svc`" + `, as [the manifests](apps.md#token) do.

The bytes go through the API server and a kubelet, which are not made for many of them: on two busy cores the tests of
this project saw 13 to 18 MB/s up and 27 to 64 MB/s down. A [gateway](faq.md#ingress-and-gateways) is for more.

## Whose token

The first of these that there is:

1. ` + "`--token-file`" + `, which is read again for each request;
2. ` + "`--as-sa`" + `: the API server is asked for a token of a service account, for this API alone, and for a new one before it
   ends, so that a transfer may take longer than a token. You need the right to create ` + "`serviceaccounts/token`" + ` there;
3. ` + "`$IOTFILE_TOKEN`" + `;
4. the file that [the manifests for applications](apps.md#token) project, in a pod;
5. your own token of the kubeconfig. The platform has to take tokens for [the audience of the API
   server](security.md#tokens). It is good for all of that, so it is sent over TLS, to this machine or through the API
   server, or not at all.

No flag takes a token: whoever lists processes would read it. A kubeconfig with a client certificate has no token.

## Whose files

` + "`--namespace`" + `, else ` + "`$IOTFILE_NAMESPACE`" + `, else that of the token; with your own token that of the
context. The entity is the first segment of a path, unless ` + "`--entity`" + ` gives it; paths that begin with none are of the
default entity. A context of the kubeconfig can say which server and entity are its default:

` + "```yaml" + `
contexts:
- name: plant-7
  context:
    cluster: plant-7
    user: me
    extensions:
    - {name: iotfile.dev, extension: {server: "https://files.example.com", entity: 0123456789abcdef0123456789abcdef}}
` + "```" + `

## What programs read

What was asked for is written to the standard output, what happens to the standard error: bars on a terminal, lines
elsewhere. ` + "`--json`" + ` writes what happens to the standard output, one JSON object a line, with ` + "`event`" + `: ` + "`start`" + `,
` + "`progress`" + ` (each second at most), ` + "`retry`" + `, ` + "`done`" + `, ` + "`failed`" + `, ` + "`note`" + `, and ` + "`summary`" + `, the last, with ` + "`failedFiles`" + `.
Sizes are in bytes.

| exit status | meaning |
|---|---|
| 0 | all went well |
| 1 | something failed; of several files, the others have arrived, and a list at the end names those that have not |
| 2 | the command line cannot be right; nothing was sent |
| 130 | interrupted. What has arrived stays, and the command that goes on was printed. A second interrupt ends it at once |

In tables, control characters of names are escaped, so that no name can move the cursor. ` + "`-o name`" + ` escapes them on a
terminal only, ` + "`-o json`" + ` as JSON does.
`

// cliPage is the page of the command line.
func cliPage() ([]byte, error) {
	out := bytes.NewBufferString(cliHead)
	root := cli.Command()
	fmt.Fprint(out, "\n## Flags of all commands\n\n")
	flagTable(out, root.PersistentFlags())
	commands := root.Commands()
	if len(commands) == 0 {
		return nil, errors.New("the command line has no commands")
	}
	for _, cmd := range commands {
		fmt.Fprintf(out, "\n## %s\n\n%s\n\n%s\n\n```sh\n%s\n```\n", cmd.Name(), code(cmd.UseLine()), strings.TrimSpace(cmd.Long), unindented(cmd.Example))
		if cmd.LocalNonPersistentFlags().HasAvailableFlags() {
			fmt.Fprintln(out)
			flagTable(out, cmd.LocalNonPersistentFlags())
		}
	}
	return out.Bytes(), nil
}

func code(text string) string { return "`" + text + "`" }

// unindented takes off the indentation that the help has.
func unindented(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}

// flagTable has a row for each flag.
func flagTable(out *bytes.Buffer, flags *pflag.FlagSet) {
	fmt.Fprint(out, "| flag | default | meaning |\n|---|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		name := code("--" + f.Name)
		if f.Shorthand != "" {
			name += ", " + code("-"+f.Shorthand)
		}
		value := f.DefValue
		if value == "false" || value == "0" || value == "[]" {
			value = ""
		}
		if value != "" {
			value = code(value)
		}
		fmt.Fprintf(out, "| %s | %s | %s |\n", name, value, cell(f.Usage))
	})
}

// manPages writes a page of section 1 for each command below dir.
func manPages(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// A page that is of no command any more is not to stay.
	old, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil {
		return err
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	root := cli.Command()
	plainNames(root)
	date := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC) // one that does not change with each run
	return doc.GenManTree(root, &doc.GenManHeader{Title: "KUBECTL-IOTFILE", Section: "1", Source: "iotfile-operator " + version.Number(), Manual: "iotfile-operator", Date: &date}, dir)
}

// plainNames leaves out of the pages who has made them, which is of no use to their readers.
func plainNames(cmd *cobra.Command) {
	cmd.DisableAutoGenTag = true
	for _, sub := range cmd.Commands() {
		plainNames(sub)
	}
}
