package iotfile

import (
	"errors"
	"strings"
	"testing"
)

const entity = "0123456789abcdef0123456789abcdef"

func TestPaths(t *testing.T) {
	for path, ok := range map[string]bool{
		entity + "/a": true, entity + "/logs/engine ü.bin": true, entity + "/50%/a?b#c": true, entity + "/" + strings.Repeat("x", 1024-33): true,
		"": false, entity: false, entity + "/": false, entity + "//a": false, entity + "/a/": false, entity + "/./a": false, entity + "/../a": false,
		entity + "/a\nb": false, entity + "/\xff": false, strings.ToUpper(entity) + "/a": false, "x/a": false, "/" + entity + "/a": false,
		entity + "/" + strings.Repeat("x", 1024-32): false,
	} {
		if err := checkPath(path); (err == nil) != ok || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", path, err)
		}
	}
	if got := fileAddress(entity + "/50% ü?/a#b"); got != "/files/"+entity+"/50%25%20%C3%BC%3F/a%23b" {
		t.Error(got)
	}
}

func TestKeys(t *testing.T) {
	a, b := keyOf(entity+"/a"), keyOf(entity+"/b")
	if a == b || a != keyOf(entity+"/a") || len(a) > 200 {
		t.Errorf("%q, %q", a, b)
	}
}

// TestBaseURLs: what could carry a credential, or send requests elsewhere, is refused.
func TestBaseURLs(t *testing.T) {
	for address, root := range map[string]string{
		"http://127.0.0.1:8080": "http://127.0.0.1:8080/api/iotfile/v3", "https://host/": "https://host/api/iotfile/v3", "https://host/below": "https://host/below/api/iotfile/v3",
		"https://user:secret@host": "", "https://host?x=y": "", "https://host#x": "", "ftp://host": "", "host": "", "": "", "https://": "", ":": "",
	} {
		c, err := New(address, nil)
		if (err == nil) != (root != "") || err == nil && c.root != root {
			t.Errorf("%q: %+v, %v", address, c, err)
		}
	}
	c, err := New("http://h", &Options{Namespace: "team-a"})
	if err != nil || c.root != "http://h/namespaces/team-a/api/iotfile/v3" {
		t.Errorf("%+v, %v", c, err)
	}
}
