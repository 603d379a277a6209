// Package version knows which version of the operator runs. The number is in the file VERSION,
// which a release changes together with CHANGELOG.md, the chart and the Dockerfile; tests compare
// them. The package imports nothing of this project.
package version

import (
	"cmp"
	_ "embed"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// Name is what the operator is called, to servers that it asks.
const Name = "iotfile-operator"

//go:embed VERSION
var file string

// described is set by the linker where the checkout has tags: what `git describe` prints.
var described string

// Number is the version, without a leading v: that of the tag and the commits since, where the
// linker was told, else that of the file.
func Number() string {
	return strings.TrimPrefix(cmp.Or(described, strings.TrimSpace(file)), "v")
}

// unknown is the revision where Go was not told.
const unknown = "unknown"

// Revision is the commit that the binary was built from, with -dirty if files had changed since.
func Revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return unknown
	}
	return revision(info.Settings)
}

func revision(settings []debug.BuildSetting) string {
	commit, suffix := "", ""
	for _, s := range settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			suffix = "-dirty"
		}
	}
	if commit == "" {
		return unknown
	}
	return commit + suffix
}

// String is what --version prints.
func String() string {
	return fmt.Sprintf("%s %s (revision %s, %s)", Name, Number(), Revision(), runtime.Version())
}

// UserAgent is how the operator introduces itself to the API server.
func UserAgent() string {
	return fmt.Sprintf("%s/%s (%s/%s)", Name, Number(), runtime.GOOS, runtime.GOARCH)
}
