package main

import (
	"strings"
	"testing"
)

// TestAddresses: what a browser would fetch from elsewhere is found, and nothing else is.
func TestAddresses(t *testing.T) {
	for text, found := range map[string]string{
		`<script src="https://cdn.example.com/x.js"></script>`:        "x.html:1 names another host: https://cdn.example.com/x.js",
		"\n<img src='//images.example.com/x.png'>":                    "x.html:2 names another host: //images.example.com/x.png",
		"@import url(//fonts.example.com/css);":                       "//fonts.example.com/css",
		"new WebSocket(`wss://example.com`)":                          "wss://example.com",
		`<svg xmlns="http://www.w3.org/2000/svg">`:                    "",
		`<a class="doc" href="https://example.com/docs">Docs</a>`:     "",
		`const url = "/api/iotfile/v3/files/" + entity // the path`:   "",
		`path.includes("//") || name.split("/")`:                      "",
		`<link rel="stylesheet" href="https://example.com/page.css">`: "https://example.com/page.css",
	} {
		err := checkAddresses(map[string]string{"x.html": text})
		if (err != nil) != (found != "") || (err != nil && !strings.Contains(err.Error(), found)) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestSize(t *testing.T) {
	half := strings.Repeat("x", mostBytes/2)
	if err := checkSize(map[string]string{"a": half, "b": half[1:]}); err != nil {
		t.Error(err)
	}
	if err := checkSize(map[string]string{"a": half, "b": half}); err == nil {
		t.Error("a page that is too large is taken")
	}
}
