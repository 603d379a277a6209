package servingcert

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// TestAuthoritiesOverlap replaces authorities one after the other. Whoever reads the ConfigMap
// trusts the one of before as long as a replica may serve its certificate, and no longer.
func TestAuthoritiesOverlap(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var all []*certificate
	for range 4 {
		authority, err := newAuthority(now, 24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, authority.cert)
	}
	told := &corev1.ConfigMap{Data: map[string]string{"notes": "somebody's"}}
	for _, step := range []struct {
		what    string
		after   time.Duration
		served  []int
		want    []int
		changed bool
	}{
		{"the first", 0, []int{0}, []int{0}, true},
		{"again", time.Minute, []int{0}, []int{0}, false},
		{"another", time.Minute, []int{1}, []int{1, 0}, true},
		{"soon after", 59 * time.Minute, []int{1}, []int{1, 0}, false},
		{"later", time.Minute, []int{1}, []int{1}, true},
		{"two", time.Hour, []int{2, 3}, []int{2, 3, 1}, true},
		{"one of the two goes", time.Minute, []int{2}, []int{2, 3, 1}, false},
		{"a replacement meanwhile", 30 * time.Minute, []int{0}, []int{0, 2, 3, 1}, true},
		{"the time of the last one counts", 59 * time.Minute, []int{0}, []int{0, 2, 3, 1}, false},
		{"all is over", time.Minute, []int{0}, []int{0}, true},
		{"they expire", 24 * time.Hour, []int{1}, []int{1}, true},
	} {
		now = now.Add(step.after)
		var served, want []*certificate
		for _, n := range step.served {
			served = append(served, all[n])
		}
		for _, n := range step.want {
			want = append(want, all[n])
		}
		if changed := tell(told, served, now); changed != step.changed {
			t.Errorf("%s: changed is %v", step.what, changed)
		}
		if told.Data[KeyTrusted] != string(encodeCertificates(want...)) {
			t.Errorf("%s: it says %d certificates, and others than %v", step.what, strings.Count(told.Data[KeyTrusted], "BEGIN"), step.want)
		}
		if tell(told, served, now) {
			t.Errorf("%s: it is never content", step.what)
		}
	}
	if told.Data["notes"] != "somebody's" || len(told.Annotations) != 0 {
		t.Errorf("it became %v %v", told.Data, told.Annotations)
	}
	told.Data[KeyTrusted] = "nonsense"
	if !tell(told, all[:1], now) || told.Data[KeyTrusted] != string(encodeCertificates(all[0])) {
		t.Errorf("what somebody else has written stays: %s", told.Data[KeyTrusted])
	}
}

// TestServedAuthorities reads each kind of Secret that a platform may mount.
func TestServedAuthorities(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	authority, err := newAuthority(now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := authority.sign([]string{"x"}, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		ca, crt string
		want    *certificate
		fails   string
	}{
		"of cert-manager":           {string(encodeCertificates(authority.cert)), string(encodeCertificates(leaf.cert)), authority.cert, ""},
		"of a public issuer":        {"", string(encodeCertificates(leaf.cert, authority.cert)), authority.cert, ""},
		"nobody has signed another": {"", string(encodeCertificates(leaf.cert)), leaf.cert, ""},
		"an authority of no use":    {"nonsense", string(encodeCertificates(leaf.cert)), leaf.cert, ""},
		"nothing of use":            {"", "nonsense", nil, "tls.crt has no certificate"},
		"nothing at all":            {"", "", nil, "no such file"},
	} {
		dir := t.TempDir()
		for file, text := range map[string]string{"ca.crt": tt.ca, "tls.crt": tt.crt} {
			if text == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, err := servedAuthorities(dir)
		if tt.fails != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || len(got) != 1 || !got[0].Equal(tt.want) {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
}
