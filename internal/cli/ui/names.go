package ui

import "k8s.io/apimachinery/pkg/runtime/schema"

// What the API calls the kinds and what can be wanted of an upload. It is written down here and not
// taken from the API's package: cmd/devcluster, which serves this page, must compile while that one
// does not, because it also gets the tool that generates code there. TestNames compares them.
var (
	apiVersion      = schema.GroupVersion{Group: "iotfile.dev", Version: "v1alpha1"}
	uploadsResource = apiVersion.WithResource("multipartuploads")
	storesResource  = apiVersion.WithResource("filestores")
)

const (
	completed = "Completed"
	aborted   = "Aborted"
)
