package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
)

const flagsHead = `# Flags of the operator

` + "`operator -h`" + ` prints them as well. The manifests and the chart set those that a cluster needs; the chart takes more by ` + "`extraArgs`" + `. Which of them belong together is told in
[security](security.md), [high availability](high-availability.md) and [admission](admission.md). No default stands for nothing, zero or false.

| flag | default | meaning |
|---|---|---|
`

// oneFlag is how package flag prints a flag: its name and the kind of its value, and its usage on
// the lines below.
var (
	oneFlag      = regexp.MustCompile(`(?m)^  -(\S+)(?: (\S+))?(?:\t(.*))?$`)
	defaultValue = regexp.MustCompile(` \(default (.*)\)$`)
)

// flagsPage has the operator print its usage.
func flagsPage() ([]byte, error) {
	cmd := exec.Command("go", "run", "-trimpath", "./cmd/operator", "-h")
	cmd.Env = append(os.Environ(), "POD_NAMESPACE=") // which is a default
	usage, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, usage)
	}
	out := bytes.NewBufferString(flagsHead)
	starts := oneFlag.FindAllSubmatchIndex(usage, -1)
	if len(starts) < 20 {
		return nil, errors.New("the operator's usage is not understood")
	}
	for i, start := range starts {
		end := len(usage)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		name, text := string(usage[start[2]:start[3]]), strings.Join(strings.Fields(string(usage[start[3]:end])), " ")
		if start[4] >= 0 {
			text = strings.TrimSpace(strings.TrimPrefix(text, string(usage[start[4]:start[5]])))
		}
		value := ""
		if match := defaultValue.FindStringSubmatch(text); match != nil {
			value, text = "`"+strings.Trim(match[1], `"`)+"`", strings.TrimSuffix(text, match[0])
		}
		fmt.Fprintf(out, "| `--%s` | %s | %s |\n", name, value, strings.ReplaceAll(text, "|", `\|`))
	}
	return out.Bytes(), nil
}
