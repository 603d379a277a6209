package version

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestNumber(t *testing.T) {
	if n := Number(); !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(n) {
		t.Errorf("the file's version is %q", n)
	}
	defer func(before string) { described = before }(described)
	described = "v9.8.7-5-gabcdef0"
	if n := Number(); n != "9.8.7-5-gabcdef0" {
		t.Errorf("the tag's version is %q", n)
	}
	if agent := UserAgent(); agent != "iotfile-operator/9.8.7-5-gabcdef0 ("+runtime.GOOS+"/"+runtime.GOARCH+")" {
		t.Errorf("the user agent is %q", agent)
	}
	if s := String(); !strings.HasPrefix(s, "iotfile-operator 9.8.7-5-gabcdef0 (revision ") || !strings.HasSuffix(s, runtime.Version()+")") {
		t.Errorf("--version prints %q", s)
	}
}

func TestRevision(t *testing.T) {
	for _, c := range []struct {
		settings []debug.BuildSetting
		want     string
	}{
		{nil, unknown},
		{[]debug.BuildSetting{{Key: "vcs.modified", Value: "true"}}, unknown},
		{[]debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "false"}}, "abc"},
		{[]debug.BuildSetting{{Key: "vcs.modified", Value: "true"}, {Key: "vcs.revision", Value: "abc"}}, "abc-dirty"},
	} {
		if got := revision(c.settings); got != c.want {
			t.Errorf("%v: %q, want %q", c.settings, got, c.want)
		}
	}
}

// What carries the version has that of the file.
func TestVersionIsTheSameEverywhere(t *testing.T) {
	number := strings.TrimSpace(file)
	for name, line := range map[string]string{
		"charts/iotfile-operator/Chart.yaml": "\nversion: " + number + "\n",
		"Dockerfile":                         "\nARG VERSION=" + number + "\n",
		"CHANGELOG.md":                       "\n## " + number + "\n",
	} {
		data, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), line) {
			t.Errorf("%s has no line %q", name, line)
		}
		if name == "charts/iotfile-operator/Chart.yaml" && !strings.Contains(string(data), "\nappVersion: "+number+"\n") {
			t.Errorf("%s: appVersion is another one than %s", name, number)
		}
		if i := strings.Index(string(data), "\n## "); name == "CHANGELOG.md" && !strings.HasPrefix(string(data)[i:], line) {
			t.Errorf("%s does not begin with %s", name, number)
		}
	}
}
