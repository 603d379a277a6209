package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// Neither flag is good for anything without the other.
func TestWebhookClients(t *testing.T) {
	for _, c := range []struct {
		clients webhookClients
		want    string // of the error, empty for none
	}{
		{webhookClients{}, ""},
		{webhookClients{caFile: "ca.crt", names: "kube-apiserver, another"}, ""},
		{webhookClients{caFile: "ca.crt"}, "need each other"},
		{webhookClients{caFile: "ca.crt", names: " , "}, "need each other"},
		{webhookClients{names: "kube-apiserver"}, "need each other"},
	} {
		err := c.clients.validate()
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.clients, err)
		}
	}
	if got := (&webhookClients{names: "kube-apiserver, another,"}).list(); len(got) != 2 || got[1] != "another" {
		t.Errorf("the names are %q", got)
	}
	if clients, err := (&webhookClients{}).load(); clients != nil || err != nil {
		t.Errorf("without flags: %v, %v", clients, err)
	}
	if _, err := (&webhookClients{caFile: filepath.Join(t.TempDir(), "none"), names: "x"}).load(); err == nil {
		t.Error("a file that is not there is taken")
	}
}
