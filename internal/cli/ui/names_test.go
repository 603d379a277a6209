package ui

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// TestNames: the names that are written down here are those of the API.
func TestNames(t *testing.T) {
	if apiVersion != v1alpha1.GroupVersion || completed != string(v1alpha1.DesiredStateCompleted) || aborted != string(v1alpha1.DesiredStateAborted) {
		t.Errorf("%s %s %s are %s %s %s in the API", apiVersion, completed, aborted, v1alpha1.GroupVersion, v1alpha1.DesiredStateCompleted, v1alpha1.DesiredStateAborted)
	}
}

// TestDevclusterNeedsNoAPI: what gets the tool that generates the code of the API compiles without
// that code.
func TestDevclusterNeedsNoAPI(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "../../../cmd/devcluster").Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "/iotfile-operator/api/") {
		t.Error("cmd/devcluster imports the API's package")
	}
}
