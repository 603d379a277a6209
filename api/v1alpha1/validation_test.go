package v1alpha1_test

import (
	"flag"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestValidation creates and changes objects against the real API server, and at the end asks
// whether each rule and limit of the schema has refused something.
func TestValidation(t *testing.T) {
	for _, group := range []struct {
		name string
		test func(*testing.T)
	}{
		{"MultipartUploadCreation", testUploadCreation},
		{"MultipartUploadDefaults", testUploadDefaults},
		{"MultipartUploadImmutability", testUploadImmutability},
		{"MultipartUploadSpecChanges", testUploadSpecChanges},
		{"MultipartUploadStatusChanges", testUploadStatusChanges},
		{"FileStoreCreation", testStoreCreation},
		{"FileStoreDefaults", testStoreDefaults},
		{"FileStoreDefaultsInCode", testStoreDefaultsInCode},
		{"FileStoreSpecChanges", testStoreSpecChanges},
		{"FileStoreStatusChanges", testStoreStatusChanges},
	} {
		t.Run(group.name, group.test)
	}
	t.Run("EveryRuleRefuses", func(t *testing.T) {
		if strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
			t.Skip("only some cases were run")
		}
		for _, k := range kinds {
			checkEveryRuleRefused(t, k)
		}
	})
}

// creation is an object that is created with some fields set. want is what the refusal says, "" for
// an object that is taken.
type creation struct {
	name string
	with fields
	want string
}

// transition is a change of an object that exists.
type transition struct {
	name     string
	from, to fields
	want     string
}

var dryRun = []string{metav1.DryRunAll}

func testCreations(t *testing.T, k kind, cases []creation) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := k.client().Create(t.Context(), k.object(t, c.with), metav1.CreateOptions{DryRun: dryRun})
			checkRefusal(t, err, c.want)
		})
	}
}

// testSpecChanges creates an object with the spec and status in from and then changes it, as
// kubectl edit does.
func testSpecChanges(t *testing.T, k kind, cases []transition) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			changed := create(t, k, c.from)
			c.to.apply(t, changed)
			_, err := k.client().Update(t.Context(), changed, metav1.UpdateOptions{DryRun: dryRun})
			checkRefusal(t, err, c.want)
		})
	}
}

// testStatusChanges does the same through the status subresource.
func testStatusChanges(t *testing.T, k kind, cases []transition) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			changed := create(t, k, c.from)
			c.to.apply(t, changed)
			_, err := k.client().UpdateStatus(t.Context(), changed, metav1.UpdateOptions{DryRun: dryRun})
			checkRefusal(t, err, c.want)
		})
	}
}

func checkRefusal(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("refused: %v", err)
	case want != "" && err == nil:
		t.Errorf("taken, want a refusal that says %q", want)
	case want != "" && !strings.Contains(err.Error(), want):
		t.Errorf("refused with %q, want it to say %q", err, want)
	case want != "":
		refusals.add(err.Error())
	}
}

// text returns n characters of text.
func text(n int) string { return strings.Repeat("x", n) }
