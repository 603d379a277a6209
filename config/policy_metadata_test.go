package config_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// metadataCaps has for each cap the most that passes, something that is too much, and what the
// refusal says.
var metadataCaps = map[string]struct {
	asMuch, tooMuch func(*metav1.ObjectMeta)
	message         string
}{
	"annotations": {
		func(m *metav1.ObjectMeta) { m.Annotations = text("a", 16<<10) },
		func(m *metav1.ObjectMeta) { m.Annotations = text("a", 16<<10+1) },
		"annotations and labels may have 16384 bytes together, keys included, and these have 16385",
	},
	"more annotations than are counted": {
		func(m *metav1.ObjectMeta) { m.Annotations = nil },
		func(m *metav1.ObjectMeta) { m.Annotations = many(8193) },
		"annotations and labels may have 16384 bytes together",
	},
	"annotations that are not ASCII": {
		func(m *metav1.ObjectMeta) { m.Annotations = map[string]string{"aa": strings.Repeat("é", 8191)} },
		func(m *metav1.ObjectMeta) { m.Annotations = map[string]string{"aa": strings.Repeat("é", 8192)} },
		"these have 16386",
	},
	"labels beside them": {
		func(m *metav1.ObjectMeta) {
			m.Annotations, m.Labels = text("a", 16<<10-20), map[string]string{"0123456789": "0123456789"}
		},
		func(m *metav1.ObjectMeta) {
			m.Annotations, m.Labels = text("a", 16<<10-20), map[string]string{"0123456789": "01234567890"}
		},
		"these have 16385",
	},
	"many annotations": {
		func(m *metav1.ObjectMeta) { m.Annotations = many(3000) },
		func(m *metav1.ObjectMeta) { m.Annotations = many(8192) }, // as many as are counted
		"annotations and labels may have 16384 bytes together",
	},
	"owner references": {
		func(m *metav1.ObjectMeta) { m.OwnerReferences = owners(16, "owner") },
		func(m *metav1.ObjectMeta) { m.OwnerReferences = owners(17, "owner") },
		"there may be 16 owner references, and these are 17",
	},
	"a long owner reference": {
		func(m *metav1.ObjectMeta) { m.OwnerReferences = owners(1, strings.Repeat("o", 16<<10-100)) },
		func(m *metav1.ObjectMeta) { m.OwnerReferences = owners(1, strings.Repeat("o", 16<<10)) },
		"owner references may have 16384 bytes together",
	},
	"a field manager of made-up fields": {
		func(m *metav1.ObjectMeta) { m.ManagedFields = append(m.ManagedFields, managed(3000)) },
		func(m *metav1.ObjectMeta) { m.ManagedFields = append(m.ManagedFields, managed(20_000)) },
		"managed fields may have 65536 characters together",
	},
	"finalizers": {
		func(m *metav1.ObjectMeta) { m.Finalizers = finalizers(16) },
		func(m *metav1.ObjectMeta) { m.Finalizers = finalizers(17) },
		"there may be 16 finalizers, and these are 17",
	},
}

// text is a map of one entry that has so many bytes.
func text(key string, size int) map[string]string {
	return map[string]string{key: strings.Repeat("v", size-len(key))}
}

// many are entries without a value.
func many(n int) map[string]string {
	all := map[string]string{}
	for i := range n {
		all[fmt.Sprintf("k%x", i)] = ""
	}
	return all
}

func owners(n int, name string) []metav1.OwnerReference {
	var all []metav1.OwnerReference
	for i := range n {
		all = append(all, metav1.OwnerReference{APIVersion: "example.com/v1", Kind: "Thing", Name: name, UID: types.UID(fmt.Sprint("uid-", i))})
	}
	return all
}

// managed is what a field manager would own that has set so many annotations, none of which is
// there.
func managed(n int) metav1.ManagedFieldsEntry {
	var fields strings.Builder
	for i := range n {
		fmt.Fprintf(&fields, `,"f:k%x":{}`, i)
	}
	now := metav1.Now()
	return metav1.ManagedFieldsEntry{
		Manager: "made-up", Operation: metav1.ManagedFieldsOperationApply, APIVersion: v1alpha1.GroupVersion.String(), Time: &now,
		FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:annotations":{` + fields.String()[1:] + `}}}`),
	}
}

func finalizers(n int) []string {
	all := []string{v1alpha1.FinalizerAbortUpload}
	for i := range n - 1 {
		all = append(all, fmt.Sprintf("example.com/%d", i))
	}
	return all
}

// exceeds checks that the policy of metadata, and nothing else, has refused.
func exceeds(t *testing.T, what string, err error, message string) {
	t.Helper()
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "iotfile-operator-metadata") || !strings.Contains(err.Error(), message) {
		t.Errorf("%s: answered with %.500v, want %q", what, err, message)
	}
}

// testMetadataIsBounded creates and changes records up to each cap and over it.
func (p *policies) testMetadataIsBounded(t *testing.T) {
	for name, c := range metadataCaps {
		for _, user := range []string{editor, tenantAdmin} {
			created := func(change func(*metav1.ObjectMeta)) error {
				p.count++
				u := &v1alpha1.MultipartUpload{
					ObjectMeta: metav1.ObjectMeta{Namespace: "tenant", Name: fmt.Sprintf("metadata-%d", p.count)},
					Spec:       v1alpha1.MultipartUploadSpec{EntityID: "0123456789abcdef0123456789abcdef", Path: "a.bin"},
				}
				change(&u.ObjectMeta)
				return p.as(t, user).Create(t.Context(), u, client.DryRunAll)
			}
			passes(t, user+" creates with "+name, created(c.asMuch))
			exceeds(t, user+" creates with "+name, created(c.tooMuch), c.message)
			changed := p.upload(t, nil)
			c.asMuch(&changed.ObjectMeta)
			passes(t, user+" sets "+name, p.as(t, user).Update(t.Context(), changed, client.DryRunAll))
			changed = p.upload(t, nil)
			c.tooMuch(&changed.ObjectMeta)
			exceeds(t, user+" sets "+name, p.as(t, user).Update(t.Context(), changed, client.DryRunAll), c.message)
		}
		changed := p.upload(t, nil)
		c.tooMuch(&changed.ObjectMeta)
		passes(t, "the operator sets "+name, p.operator.Patch(t.Context(), changed, client.MergeFrom(p.upload(t, nil)), client.DryRunAll))
	}
	p.testManagersAreBounded(t)
}

// testManagersAreBounded applies one field after the other, each with a manager of its own.
func (p *policies) testManagersAreBounded(t *testing.T) {
	t.Helper()
	u := p.upload(t, nil)
	apply := func(i int, value string) (string, error) {
		manifest := fmt.Sprintf("apiVersion: iotfile.dev/v1alpha1\nkind: MultipartUpload\nmetadata:\n  name: %s\n  namespace: tenant\n  annotations: {a%d: %s}\n", u.Name, i, value)
		return p.kubectlAs(t, tenantAdmin, manifest, "apply", "--server-side", fmt.Sprintf("--field-manager=m%d", i), "-f", "-")
	}
	for i := range 40 {
		out, err := apply(i, "x")
		check(t, p.admin.Get(t.Context(), client.ObjectKeyFromObject(u), u))
		switch n := len(u.ManagedFields); {
		case n > 32:
			t.Fatalf("the record has %d entries of managed fields", n)
		case err != nil && n == 32 && strings.Contains(out, "there may be 32 entries of managed fields, one for each field manager that has written the object, and these are 33"):
			if out, err := apply(0, "changed"); err != nil {
				t.Errorf("who is among them may not apply again: %v %s", err, out)
			}
			passes(t, "the operator's", p.operator.Patch(t.Context(), u.DeepCopy(), merge(`{"metadata":{"annotations":{"own":"x"}}}`), client.FieldOwner("operator")))
			return
		case err != nil:
			t.Fatalf("the manager %d of %d is answered with %v %s", i, n, err, out)
		}
	}
	t.Error("no manager was refused")
}

// testOldMetadataIsNotJudged changes records that were too large before there was a policy:
// whatever does not grow passes.
func (p *policies) testOldMetadataIsNotJudged(t *testing.T) {
	const tooMany = 60
	u := p.upload(t, func(u *v1alpha1.MultipartUpload) {
		u.Annotations, u.OwnerReferences, u.Finalizers = many(9000), nil, finalizers(tooMany) // more than are counted
	})
	owned := p.upload(t, func(u *v1alpha1.MultipartUpload) { u.Annotations = text("a", 100<<10) })
	for user, c := range map[string]client.Client{editor: p.as(t, editor), tenantAdmin: p.as(t, tenantAdmin)} {
		passes(t, user+" gives it more time", c.Patch(t.Context(), u.DeepCopy(), merge(`{"spec":{"ttl":"24h"}}`), client.DryRunAll))
		passes(t, user+" completes it", c.Patch(t.Context(), u.DeepCopy(), merge(`{"spec":{"desiredState":"Completed"}}`), client.DryRunAll))
		passes(t, user+" takes one annotation off", c.Patch(t.Context(), u.DeepCopy(), merge(`{"metadata":{"annotations":{"k1":null}}}`), client.DryRunAll))
		passes(t, user+" takes all annotations off", c.Patch(t.Context(), u.DeepCopy(), merge(`{"metadata":{"annotations":null}}`), client.DryRunAll))
		passes(t, user+" takes a finalizer off", c.Patch(t.Context(), u.DeepCopy(), finalizerPatch(t, tooMany-1), client.DryRunAll))
		exceeds(t, user+" puts one more on", c.Patch(t.Context(), u.DeepCopy(), finalizerPatch(t, tooMany+1), client.DryRunAll),
			fmt.Sprintf("there may be 16 finalizers, and these are %d", tooMany+1))
		passes(t, user+" shortens it", c.Patch(t.Context(), owned.DeepCopy(), annotate("a", 99<<10), client.DryRunAll))
		exceeds(t, user+" lengthens it", c.Patch(t.Context(), owned.DeepCopy(), annotate("a", 100<<10+1), client.DryRunAll), "these have 102401")
	}
	passes(t, "a deletion", p.as(t, editor).Delete(t.Context(), u))
	check(t, p.admin.Get(t.Context(), client.ObjectKeyFromObject(u), u))
	if u.DeletionTimestamp == nil {
		t.Error("it is not being deleted")
	}
}

func finalizerPatch(t *testing.T, n int) client.Patch {
	t.Helper()
	data, err := json.Marshal(map[string]any{"metadata": map[string]any{"finalizers": finalizers(n)}})
	check(t, err)
	return client.RawPatch(types.MergePatchType, data)
}
