package localfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Suffixes of what stands beside a target while it is being received.
const (
	partialSuffix = ".iotfile-partial"
	stateSuffix   = ".iotfile-state"
	lockSuffix    = ".iotfile-lock"
)

// Names gives what files of the server are called below a directory here, by their names below a
// prefix there, and why the others cannot be received: their names lead out of the directory, mean
// something else on this system, or are those of another one.
func Names(remote []string, ignoresCase bool) (names map[string]string, refused map[string]error) {
	return namesFor(remote, runtime.GOOS == "windows", ignoresCase)
}

func namesFor(remote []string, windows, ignoresCase bool) (names map[string]string, refused map[string]error) {
	names, refused = map[string]string{}, map[string]error{}
	taken := map[string]string{}
	for _, name := range remote {
		if err := checkName(name, windows); err != nil {
			refused[name] = err
			continue
		}
		key := name
		if ignoresCase {
			key = strings.ToLower(name)
		}
		if other, ok := taken[key]; ok {
			refused[name] = fmt.Errorf("this file system takes its name for that of %s: receive it into another directory", other)
			continue
		}
		taken[key] = name
		names[name] = filepath.FromSlash(name)
	}
	return names, refused
}

// reserved are names that Windows takes for devices, with any extension.
var reserved = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)( *\..*)?$`)

// checkName reports whether a name with slashes stays below a directory, and is one file there.
func checkName(name string, windows bool) error {
	if name == "" || !utf8.ValidString(name) || strings.HasPrefix(name, "/") {
		return errors.New("its name is not one of a file here")
	}
	for segment := range strings.SplitSeq(name, "/") {
		switch {
		case segment == "" || segment == "." || segment == "..":
			return errors.New("its name has a segment that is empty, . or .., and could lead out of the directory")
		case strings.ContainsFunc(segment, unicode.IsControl):
			return errors.New("its name has control characters")
		case strings.Contains(segment, ".iotfile-"):
			return errors.New("its name is like those of files that are being received: get it by itself, under another name")
		case windows && (strings.ContainsAny(segment, `\:<>"|?*`) || strings.HasSuffix(segment, ".") || strings.HasSuffix(segment, " ") || reserved.MatchString(segment)):
			return errors.New("its name is not possible on Windows: get it by itself, under another name")
		}
	}
	return nil
}

// IgnoresCase reports whether the file system of a directory takes names for the same that differ
// in case alone. It makes a file there, and removes it.
func IgnoresCase(dir string) (bool, error) {
	probe, err := os.CreateTemp(dir, ".iotfile-case-")
	if err != nil {
		return false, err
	}
	name := probe.Name()
	defer func() { _ = os.Remove(name) }()
	if err := probe.Close(); err != nil {
		return false, err
	}
	_, err = os.Lstat(filepath.Join(dir, strings.ToUpper(filepath.Base(name))))
	return err == nil, nil
}
