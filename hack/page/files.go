package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// mostBytes is how large the files of the page are together at most: it is to be there at once,
// also over a slow line.
const mostBytes = 150_000

// readPage reads the files of the page.
func readPage(from fs.FS) (map[string]string, error) {
	files := map[string]string{}
	return files, fs.WalkDir(from, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(from, name)
		files[name] = string(data)
		return err
	})
}

func sizeOf(files map[string]string) int {
	sum := 0
	for _, text := range files {
		sum += len(text)
	}
	return sum
}

func checkSize(files map[string]string) error {
	if sum := sizeOf(files); sum >= mostBytes {
		return fmt.Errorf("the files of the page have %d bytes together, and may have less than %d", sum, mostBytes)
	}
	return nil
}

var (
	// address is what a browser would fetch from another host: with a scheme, or with two slashes
	// at the beginning of an attribute, an import or an argument.
	address = regexp.MustCompile(`(?i)\b(?:https?|wss?|ftp):/{1,2}[^\s"'\x60)<>]*|["'\x60(]//[a-z0-9.-]+\.[a-z]{2,}[^\s"'\x60)<>]*`)
	// namespace is the name of a language of XML, which nobody fetches.
	namespace = regexp.MustCompile(`^http://www\.w3\.org/(?:1999|2000)/`)
	// link is an address that a person follows.
	link = regexp.MustCompile(`<a\s[^>]*href=["']?$`)
)

// checkAddresses finds whatever names another host, but for namespaces and for links. The content
// security policy would stop it as well, but only the one who looks at that place would see it.
func checkAddresses(files map[string]string) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text := files[name]
		for _, at := range address.FindAllStringIndex(text, -1) {
			found := strings.TrimLeft(text[at[0]:at[1]], "\"'`(")
			if namespace.MatchString(found) || link.MatchString(text[max(0, at[0]-200):at[0]]) {
				continue
			}
			errs = append(errs, fmt.Errorf("%s:%d names another host: %s", name, 1+strings.Count(text[:at[0]], "\n"), found))
		}
	}
	return errors.Join(errs...)
}
