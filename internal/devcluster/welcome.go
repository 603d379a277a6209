package devcluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// SampleEntity is the entity that the printed commands upload a file of.
const SampleEntity = "0123456789abcdef0123456789abcdef"

// Who the printed commands are run as: a service account as a team would make it for its
// application.
const (
	SampleNamespace = "default"
	SampleAccount   = "sample-app"
	sampleLifetime  = 24 * time.Hour
)

// Welcome is what a person needs to know of a running system: the page, where link leads to one,
// where all is, and commands that work as they are printed: with the command line, where it was
// built, and five with curl. They need nothing but the file of variables, and use a file name of
// this start, so that they work again after a restart.
func (s *System) Welcome(link string) string {
	sample := func(file string) string { return shellQuote(filepath.Join(s.sampleDir(), file)) }
	now := time.Now().Format("20060102-150405")
	file := fmt.Sprintf("%s/api/iotfile/v3/files/%s/sample-%s.bin", s.URL, SampleEntity, now)
	authorization := `-H "Authorization: Bearer $IOTFILE_TOKEN"`
	curl := "curl " + authorization + " --fail-with-body -sS -w '%{http_code}\\n'"
	var lines []string
	if link != "" {
		lines = append(lines, "", "Open "+link+" and drop a file on it.", "The link works once; Enter prints another one.")
	}
	lines = append(lines,
		"",
		"Ready. Ctrl-C ends it; what is in it stays in "+s.dir,
		"",
		"  URL          "+s.URL,
		"  KUBECONFIG   "+s.ControlPlane.Kubeconfig,
		"  Variables    . "+shellQuote(s.EnvFile),
		"  Caller       service account "+SampleNamespace+"/"+SampleAccount+", by its token in $IOTFILE_TOKEN: it lasts for a day",
		"  Log          "+s.Operator.LogPath,
		"",
		"Paste these into another terminal:",
		"",
		"  # who you are, and two pieces of a file to send: 8 MiB and 1 MB",
		"  . "+shellQuote(s.EnvFile),
		fmt.Sprintf("  head -c 8388608 /dev/urandom > %s; head -c 1000000 /dev/urandom > %s", sample("part1"), sample("part2")),
		"",
	)
	if s.CLI != "" {
		to := SampleEntity + "/cli-" + now + ".bin"
		lines = append(lines,
			"  # send a file with one command, get it back, and compare",
			fmt.Sprintf("  %s put %s %s", shellQuote(s.CLI), sample("part1"), to),
			fmt.Sprintf("  %s get --force %s %s && cmp %s %s && echo identical", shellQuote(s.CLI), to, sample("copy"), sample("part1"), sample("copy")),
			"",
			"The same by hand, over the REST API:",
			"",
		)
	}
	lines = append(lines,
		"  # 1 start an upload",
		fmt.Sprintf("  %s -X PUT '%s?upload=start'", curl, file),
		"  # 2 send part 1",
		fmt.Sprintf("  %s -T %s '%s?part=1'", curl, sample("part1"), file),
		"  # 3 complete it, with the last part as the body",
		fmt.Sprintf("  %s -T %s '%s?upload=complete'", curl, sample("part2"), file),
		"  # 4 download it and compare",
		fmt.Sprintf("  curl %s -fsS -o %s '%s' && cat %s %s | cmp - %s && echo identical",
			authorization, sample("file"), file, sample("part1"), sample("part2"), sample("file")),
		"  # 5 see the upload in Kubernetes",
		fmt.Sprintf("  KUBECONFIG=%s %s get mpu", shellQuote(s.ControlPlane.Kubeconfig), s.kubectlCommand()),
		"",
	)
	return strings.Join(lines, "\n")
}

// kubectlCommand is how kubectl is called: by its name when it is on the PATH.
func (s *System) kubectlCommand() string {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if filepath.Dir(s.kubectl) == filepath.Clean(dir) {
			return filepath.Base(s.kubectl)
		}
	}
	return shellQuote(s.kubectl)
}

// SampleToken makes a token of the service account that the printed commands are run as. It lasts
// for a day.
func (s *System) SampleToken(ctx context.Context) (string, error) {
	return s.ControlPlane.ApplicationToken(ctx, SampleNamespace, SampleAccount, sampleLifetime)
}

func (s *System) sampleDir() string { return filepath.Join(s.dir, "sample") }

// writeEnv writes the facts about the running system as shell variables.
func (s *System) writeEnv() error {
	variables := [][2]string{
		{"IOTFILE_URL", s.URL},
		{"KUBECONFIG", s.ControlPlane.Kubeconfig},
		{"IOTFILE_NAMESPACE", SampleNamespace},
		{"IOTFILE_TOKEN", s.Token},
		{"S3_ENDPOINT", s.ObjectStore.Endpoint},
		{"S3_BUCKET", s.bucket},
		{"S3_ACCESS_KEY", s.ObjectStore.AccessKey},
		{"S3_SECRET_KEY", s.ObjectStore.SecretKey},
	}
	var text strings.Builder
	for _, variable := range variables {
		fmt.Fprintf(&text, "export %s=%s\n", variable[0], quote(variable[1]))
	}
	return writeFile(s.EnvFile, []byte(text.String()))
}

// removeEnv takes the file away, so that whoever waits for it waits for a system that is ready.
func (s *System) removeEnv() error {
	if err := os.Remove(s.EnvFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// quote makes text one word of a shell command.
func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,-]+$`)

// shellQuote quotes text only where it needs it, to be read by people.
func shellQuote(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return quote(text)
}
