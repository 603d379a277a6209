package iotfile

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPath is the limit of keys in S3, in bytes; what the platform puts in front counts as well.
const maxPath = 1024

var entityPattern = regexp.MustCompile(`^[a-f0-9]{32}$`)

// checkPath reports whether path is ENTITY/PATH.
func checkPath(path string) error {
	entity, file, _ := strings.Cut(path, "/")
	if err := checkEntity(entity); err != nil {
		return invalid(ErrInvalid, path, "the path must be ENTITY/PATH, where ENTITY is 32 lower-case hexadecimal digits")
	}
	if file == "" || len(path) > maxPath || !utf8.ValidString(path) {
		return invalid(ErrInvalid, path, "the path below the entity must be UTF-8 of 1 to 1024 bytes, with what stands in front of it")
	}
	for segment := range strings.SplitSeq(file, "/") {
		if segment == "" || segment == "." || segment == ".." || strings.ContainsFunc(segment, unicode.IsControl) {
			return invalid(ErrInvalid, path, "no segment of the path may be empty, . or .., or have control characters")
		}
	}
	return nil
}

func checkEntity(entity string) error {
	if !entityPattern.MatchString(entity) {
		return invalid(ErrInvalid, entity, "an entity is 32 lower-case hexadecimal digits")
	}
	return nil
}

func fileAddress(path string) string  { return "/files/" + escape(path) }
func partsAddress(path string) string { return "/fileslist/" + escape(path) }
