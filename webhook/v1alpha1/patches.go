package v1alpha1

import (
	"context"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// fieldsAlone lets a handler change fields, each named by its JSON pointer, and nothing else.
// Without it, what a defaulter answers is the object as Go writes it: "72h" of a manifest would
// become "72h0m0s", and an agent of GitOps would find its manifest changed for ever.
type fieldsAlone struct {
	admission.Handler
	fields []string
}

// Handle implements admission.Handler.
func (f fieldsAlone) Handle(ctx context.Context, req admission.Request) admission.Response {
	response := f.Handler.Handle(ctx, req)
	kept := response.Patches[:0]
	for _, patch := range response.Patches {
		if slices.Contains(f.fields, patch.Path) {
			kept = append(kept, patch)
		}
	}
	response.Patches = kept
	if len(kept) == 0 {
		response.PatchType = nil
	}
	return response
}
