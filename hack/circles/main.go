// Command circles finds groups of files that call one another in a circle: in such a group no file
// can be read, tested or moved without the others. For each package of the module it draws which
// file uses a function, method, type, variable or constant that another file declares, and prints
// the largest group of each. A group has 15 files at most; packages with a larger one are listed in
// docs/development.md with its size, which may only shrink.
//
// Usage: circles [-files] [packages]
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	// most is how many files a group has at most.
	most = 15
	// page lists the packages that have a larger one.
	page = "docs/development.md"
	// module is the prefix of the packages' names.
	module = "github.com/iotfile-operator/iotfile-operator/"
)

func main() {
	files := flag.Bool("files", false, "name the files of the largest group of each package")
	flag.Parse()
	patterns := flag.Args()
	if len(patterns) == 0 {
		patterns = []string{"./..."}
	}
	found, err := circlesOf(patterns)
	if err == nil {
		err = report(os.Stdout, found, *files, len(flag.Args()) == 0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "circles:", err)
		os.Exit(1)
	}
}

// report prints the largest groups, and holds them against the page. whole: all packages were
// looked at, so that what the page lists and nobody has found is wrong, too.
func report(out io.Writer, found map[string][]string, files, whole bool) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	allowed := allowances(string(text))
	wrong := compare(found, allowed)
	for _, name := range slices.Sorted(maps.Keys(allowed)) {
		if whole && len(found[name]) <= most {
			wrong = append(wrong, fmt.Sprintf("%s lists %s, which has no group of more than %d files: take its row out", page, name, most))
		}
	}
	name := ""
	for _, other := range slices.Sorted(maps.Keys(found)) {
		if files && len(found[other]) > 1 {
			fmt.Fprintf(out, "%s: %d: %s\n", other, len(found[other]), strings.Join(found[other], " "))
		}
		if len(found[other]) > len(found[name]) {
			name = other
		}
	}
	fmt.Fprintf(out, "The largest group of files that call one another in a circle has %d: %s.\n", len(found[name]), name)
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "\n"))
	}
	return nil
}

// compare names the groups that have another size than they may.
func compare(found map[string][]string, allowed map[string]int) (wrong []string) {
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if n := len(found[name]); n > most && allowed[name] != n {
			wrong = append(wrong, fmt.Sprintf("%s has a group of %d files that call one another in a circle; %s allows %d", name, n, page, max(most, allowed[name])))
		}
	}
	return wrong
}

var row = regexp.MustCompile("(?m)^\\| `([\\w/.-]+)` \\| (\\d+) \\|$")

// allowances reads the rows of the page's section on circles.
func allowances(text string) map[string]int {
	_, section, _ := strings.Cut(text, "\n## Circles of files\n")
	section, _, _ = strings.Cut(section, "\n## ")
	out := map[string]int{}
	for _, m := range row.FindAllStringSubmatch(section, -1) {
		out[m[1]], _ = strconv.Atoi(m[2])
	}
	return out
}

// short is a package's name within the module.
func short(importPath string) string { return path.Clean(strings.TrimPrefix(importPath, module)) }
