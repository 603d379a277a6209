package upload_test

import (
	"errors"
	"slices"
	"testing"

	"k8s.io/utils/ptr"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/testkit"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

func TestIncompleteBytes(t *testing.T) {
	arrived := func(n int64) testkit.UploadOption {
		return func(u *v1alpha1.MultipartUpload) { u.Status.Progress = &v1alpha1.UploadProgress{Bytes: &n} }
	}
	declared := func(n int64) testkit.UploadOption {
		return func(u *v1alpha1.MultipartUpload) { u.Spec.Size = &n }
	}
	var all []*v1alpha1.MultipartUpload
	for name, c := range map[string]struct {
		options []testkit.UploadOption
		want    int64
	}{
		"new":       {[]testkit.UploadOption{testkit.InStore("store")}, 0},
		"announced": {[]testkit.UploadOption{testkit.InStore("store"), declared(100)}, 100},
		"waiting":   {[]testkit.UploadOption{testkit.InStore("store"), declared(100), testkit.StalledBy(v1alpha1.ReasonTooManyBytes)}, 0},
		"arrived":   {[]testkit.UploadOption{testkit.Opened("1"), arrived(7)}, 7},
		"partly":    {[]testkit.UploadOption{testkit.Opened("2"), arrived(7), declared(100)}, 100},
		"too-much":  {[]testkit.UploadOption{testkit.Opened("3"), arrived(101), declared(100)}, 101},
		"ended":     {[]testkit.UploadOption{testkit.Opened("4"), arrived(7), declared(100), testkit.Ended(testkit.Epoch)}, 0},
	} {
		u := testkit.Upload(append(c.options, testkit.Named("default", name))...)
		if got := upload.IncompleteBytes(u); got != c.want {
			t.Errorf("%s counts with %d, want %d", name, got, c.want)
		}
		all = append(all, u)
	}
	held := upload.Claimed{"new": 1, "on-its-way": 1000}.Beside(slices.Values(all), "too-much")
	if want := (upload.Held{Open: len(all), Bytes: 1207}); held != want {
		t.Errorf("all but one, with what is claimed, hold %+v, want %+v", held, want)
	}
}

func TestAdmitBytes(t *testing.T) {
	limits := upload.Limits{MaxIncompleteBytes: 100}
	for _, c := range []struct {
		wanted, held int64
		kind         upload.RefusalKind
	}{{100, 0, 0}, {50, 50, 0}, {51, 50, upload.RefusalNoRoom}, {101, 0, upload.RefusalTooLarge}, {101, 50, upload.RefusalTooLarge}} {
		var refusal *upload.Refusal
		errors.As(upload.AdmitBytes(c.wanted, c.held, limits), &refusal)
		if got := refusal; (got == nil) != (c.kind == 0) || (got != nil && got.Kind != c.kind) {
			t.Errorf("%d beside %d: %v", c.wanted, c.held, got)
		}
	}
	if err := upload.AdmitBytes(1<<60, 1<<60, upload.Limits{}); err != nil {
		t.Errorf("without a limit: %v", err)
	}
}

func TestSizeIsAsDeclared(t *testing.T) {
	if err := errors.Join(upload.CheckSize(5, nil), upload.CheckSize(5, ptr.To(int64(5)))); err != nil {
		t.Error(err)
	}
	for _, sum := range []int64{0, 4, 6} {
		if upload.CheckSize(sum, ptr.To(int64(5))) == nil {
			t.Errorf("%d bytes pass for 5", sum)
		}
	}
	u := testkit.Upload()
	if upload.Percent(u, 5) != nil {
		t.Error("a percentage of nothing")
	}
	u.Spec.Size = ptr.To(int64(200))
	for arrived, want := range map[int64]int32{0: 0, 1: 0, 2: 1, 199: 99, 200: 100, 300: 100} {
		if got := *upload.Percent(u, arrived); got != want {
			t.Errorf("%d of 200 are %d %%, want %d", arrived, got, want)
		}
	}
}
