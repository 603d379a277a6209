package upload_test

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

func TestValidatePath(t *testing.T) {
	long := strings.Repeat("a", upload.MaxKeyBytes)
	for _, c := range []struct {
		name, entity, path string
		want               string // in the error; empty if the file is fine
	}{
		{"Plain", testkit.Entity, "a.bin", ""},
		{"Nested", testkit.Entity, "logs/2026/engine.bin", ""},
		{"AnyUTF8", testkit.Entity, "Prüfstand/日本 #1?&=+%20.bin", ""},
		{"DotsWithinSegments", testkit.Entity, "...a/b../.hidden/..c", ""},
		{"Backslash", testkit.Entity, `a\..\b`, ""},
		{"Longest", testkit.Entity, long, ""},
		{"Empty", testkit.Entity, "", "is empty"},
		{"LeadingSlash", testkit.Entity, "/a", "empty segment"},
		{"TrailingSlash", testkit.Entity, "a/", "empty segment"},
		{"DoubledSlash", testkit.Entity, "a//b", "empty segment"},
		{"OnlySlash", testkit.Entity, "/", "empty segment"},
		{"Dot", testkit.Entity, ".", `segment "."`},
		{"DotInside", testkit.Entity, "a/./b", `segment "."`},
		{"DotDot", testkit.Entity, "..", `segment ".."`},
		{"DotDotInside", testkit.Entity, "a/../../other", `segment ".."`},
		{"DotDotAtTheEnd", testkit.Entity, "a/..", `segment ".."`},
		{"NUL", testkit.Entity, "a\x00b", "U+0000"},
		{"Newline", testkit.Entity, "a\nb", "U+000A"},
		{"Delete", testkit.Entity, "a\x7fb", "U+007F"},
		{"C1Control", testkit.Entity, "a\u0085b", "U+0085"},
		{"NotXML", testkit.Entity, "a\uffffb", "U+FFFF"},
		{"NotXMLEither", testkit.Entity, "a\ufffeb", "U+FFFE"},
		{"NotUTF8", testkit.Entity, "a\xffb", "not UTF-8"},
		{"TooLong", testkit.Entity, long + "a", "1025 bytes"},
		{"EntityUpperCase", strings.ToUpper(testkit.Entity), "a", "entityId"},
		{"EntityShort", testkit.Entity[1:], "a", "entityId"},
		{"EntityLong", testkit.Entity + "0", "a", "entityId"},
		{"EntityNewline", testkit.Entity + "\n", "a", "entityId"},
		{"EntityEmpty", "", "a", "entityId"},
		{"EntityIsPath", "../" + testkit.Entity[3:], "a", "entityId"},
	} {
		t.Run(c.name, func(t *testing.T) {
			expectError(t, upload.File{Namespace: "default", EntityID: c.entity, Path: c.path}.Validate(), c.want)
		})
	}
}

func TestKeyOfRule8(t *testing.T) {
	f := upload.File{Namespace: "team-a", EntityID: testkit.Entity, Path: "a/b.bin"}
	for prefix, want := range map[string]string{
		"":          "team-a/0123456789abcdef0123456789abcdef/a/b.bin",
		"iot/":      "iot/team-a/0123456789abcdef0123456789abcdef/a/b.bin",
		"iot/prod/": "iot/prod/team-a/0123456789abcdef0123456789abcdef/a/b.bin",
	} {
		if got, err := upload.KeyOf(f, testkit.Store("store", testkit.Prefixed(prefix))); got != want || err != nil {
			t.Errorf("KeyOf with prefix %q = %q, %v; want %q", prefix, got, err, want)
		}
	}
	if got, want := f.TenantKey(), "team-a/0123456789abcdef0123456789abcdef/a/b.bin"; got != want {
		t.Errorf("TenantKey() = %q, want %q", got, want)
	}
}

func TestKeyOfLengthCountsBytesWithThePrefix(t *testing.T) {
	head := len("p/team-a/" + testkit.Entity + "/")
	for _, c := range []struct {
		path string
		want string
	}{
		{strings.Repeat("a", upload.MaxKeyBytes-head), ""},
		{strings.Repeat("a", upload.MaxKeyBytes-head+1), "1025 bytes"},
		{strings.Repeat("日", (upload.MaxKeyBytes-head)/3), ""},
		{strings.Repeat("日", (upload.MaxKeyBytes-head)/3+1), "bytes"},
	} {
		f := upload.File{Namespace: "team-a", EntityID: testkit.Entity, Path: c.path}
		if err := f.Validate(); err != nil {
			t.Fatal(err)
		}
		key, err := upload.KeyOf(f, testkit.Store("store", testkit.Prefixed("p/")))
		expectError(t, err, c.want)
		if err == nil && len(key) > upload.MaxKeyBytes {
			t.Errorf("a key of %d bytes was accepted", len(key))
		}
	}
}

func TestErrorsClipWhatTheClientSent(t *testing.T) {
	err := upload.File{Namespace: "n", EntityID: strings.Repeat("日", 10_000), Path: "a"}.Validate()
	if err == nil || len(err.Error()) > 300 || !utf8.ValidString(err.Error()) {
		t.Errorf("error of %d bytes, valid UTF-8: %t", len(err.Error()), utf8.ValidString(err.Error()))
	}
}

// FuzzKey: no accepted file has the key of another one, of another namespace or entity, or one that
// something on the way could resolve or fail to write.
func FuzzKey(f *testing.F) {
	for _, path := range []string{"a", "a/b", "../x", "a/../b", "a//b", "/a", "a/", ".", "..", "a\x00", "日本/本", "\xff", "a\u0085", "\uffff", "%2e%2e/x", "a\\..\\b"} {
		f.Add("team-a", testkit.Entity, path, "team-b", testkit.Entity, "b", "iot/")
		f.Add("team-a", testkit.Entity, path, "team-a", "ffffffffffffffffffffffffffffffff", path, "")
	}
	f.Fuzz(func(t *testing.T, ns1, entity1, path1, ns2, entity2, path2, prefix string) {
		if !isNamespace(ns1) || !isNamespace(ns2) {
			t.Skip("the API server takes no such namespace")
		}
		one, two := upload.File{Namespace: ns1, EntityID: entity1, Path: path1}, upload.File{Namespace: ns2, EntityID: entity2, Path: path2}
		key1, ok1 := accepted(one, prefix)
		key2, ok2 := accepted(two, prefix)
		if !ok1 {
			return
		}
		checkKey(t, one, prefix, key1)
		if ok2 && (key1 == key2) != (one == two) {
			t.Errorf("%+v and %+v have the keys %q and %q", one, two, key1, key2)
		}
		if ok2 && (upload.Name("s", one) == upload.Name("s", two)) != (one == two) {
			t.Errorf("%+v and %+v have the names %q and %q", one, two, upload.Name("s", one), upload.Name("s", two))
		}
	})
}

func accepted(f upload.File, prefix string) (string, bool) {
	key, err := upload.KeyOf(f, testkit.Store("store", testkit.Prefixed(prefix)))
	return key, err == nil
}

func checkKey(t *testing.T, f upload.File, prefix, key string) {
	t.Helper()
	if !utf8.ValidString(f.Path) || len(key) > upload.MaxKeyBytes {
		t.Errorf("key %q: valid UTF-8 %t, %d bytes", key, utf8.ValidString(f.Path), len(key))
	}
	segments := strings.Split(strings.TrimPrefix(key, prefix), "/")
	if len(segments) < 3 || segments[0] != f.Namespace || segments[1] != f.EntityID || strings.Join(segments[2:], "/") != f.Path {
		t.Errorf("key %q of %+v does not begin with its namespace and entity", key, f)
	}
	for _, segment := range segments {
		if segment == "" || segment == "." || segment == ".." {
			t.Errorf("key %q holds the segment %q", key, segment)
		}
	}
	var escaped bytes.Buffer
	var back struct {
		Key string `xml:",chardata"`
	}
	if err := xml.EscapeText(&escaped, []byte(f.Path)); err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal([]byte("<Key>"+escaped.String()+"</Key>"), &back); err != nil || back.Key != f.Path {
		t.Errorf("path %q comes back from XML as %q, %v", f.Path, back.Key, err)
	}
}

// isNamespace reports whether the API server takes a namespace of this name: a DNS label.
func isNamespace(s string) bool {
	for i, c := range []byte(s) {
		inner := c == '-' && i > 0 && i < len(s)-1
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && !inner {
			return false
		}
	}
	return s != "" && len(s) <= 63
}

// expectError checks that err says want, or is nil if want is empty.
func expectError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("unexpected error: %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("error is %v, want one that says %q", err, want)
	}
}

// longPath is a path that is fine by itself, and too long for a key.
var longPath = strings.Repeat("a", 1000)
