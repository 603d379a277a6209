package upload_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"k8s.io/utils/ptr"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

func TestCheckSequenceRule3(t *testing.T) {
	for _, c := range []struct {
		name    string
		numbers []int32
		final   *int32
		want    string
	}{
		{"One", []int32{1}, nil, ""},
		{"Three", []int32{1, 2, 3}, nil, ""},
		{"Thousand", upTo(1000), nil, ""},
		{"ThousandAndOneWithTheFinalPart", upTo(1001), ptr.To[int32](1001), ""},
		{"FinalIsTheOnlyOne", []int32{1}, ptr.To[int32](1), ""},
		{"None", nil, nil, "there is no part to complete"},
		{"FirstMissing", []int32{2, 3}, nil, "missing 1;"},
		{"MiddleMissing", []int32{1, 3}, nil, "missing 2;"},
		{"SeveralMissing", []int32{2, 5, 6, 9}, nil, "missing 1, 3-4, 7-8;"},
		{"OnlyTheLastOfAThousand", []int32{1000}, nil, "missing 1-999;"},
		{"ManyRuns", []int32{2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24}, nil, "missing 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, …;"},
		{"PartsAreKept", []int32{1, 3}, nil, "the parts that arrived are kept"},
		{"FinalMissing", []int32{1, 2}, ptr.To[int32](3), "missing 3;"},
		{"FinalMissingAndNoneThere", nil, ptr.To[int32](1), "missing 1;"},
		{"BehindTheFinal", []int32{1, 2, 3}, ptr.To[int32](2), "parts behind number 2"},
		{"BehindTheFinalAndMissing", []int32{1, 3}, ptr.To[int32](2), "missing 2;"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := upload.CheckSequence(c.numbers, c.final)
			expectError(t, err, c.want)
			var sequence *upload.SequenceError
			if err != nil && (!errors.As(err, &sequence) || sequence.Parts != len(c.numbers)) {
				t.Errorf("%#v does not count %d parts", err, len(c.numbers))
			}
		})
	}
}

func upTo(n int32) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(i) + 1
	}
	return out
}

// FuzzCheckSequence compares with the sentence of the contract, read literally.
func FuzzCheckSequence(f *testing.F) {
	f.Add([]byte{}, int32(0))
	f.Add([]byte{1}, int32(0))
	f.Add([]byte{1, 2, 3}, int32(3))
	f.Add([]byte{1, 3}, int32(0))
	f.Add([]byte{1, 2, 3}, int32(2))
	f.Add([]byte{2}, int32(0))
	f.Fuzz(func(t *testing.T, raw []byte, fixed int32) {
		numbers := make([]int32, 0, len(raw))
		for _, b := range raw {
			numbers = append(numbers, int32(b)+1)
		}
		slices.Sort(numbers)
		numbers = slices.Compact(numbers)
		var final *int32
		if fixed >= 1 && fixed <= 10_000 {
			final = &fixed
		}
		want := len(numbers) > 0 && slices.Equal(numbers, upTo(int32(len(numbers)))) && (final == nil || *final == int32(len(numbers)))
		err := upload.CheckSequence(numbers, final)
		if (err == nil) != want {
			t.Fatalf("CheckSequence(%v, %v) = %v", numbers, fixed, err)
		}
		var sequence *upload.SequenceError
		if errors.As(err, &sequence) {
			checkMissing(t, sequence, numbers, final)
		}
	})
}

// checkMissing: the numbers that are named as missing are missing, and with them, and without those
// behind the final one, the parts would be complete.
func checkMissing(t *testing.T, err *upload.SequenceError, numbers []int32, final *int32) {
	t.Helper()
	if err.Error() == "" {
		t.Error("an error without text")
	}
	whole := slices.Clone(numbers)
	for _, n := range err.Missing {
		if slices.Contains(numbers, n) {
			t.Errorf("part %d of %v is called missing", n, numbers)
		}
		whole = append(whole, n)
	}
	if err.Beyond != 0 {
		whole = slices.DeleteFunc(whole, func(n int32) bool { return n > err.Beyond })
	}
	slices.Sort(whole)
	if len(whole) > 0 && upload.CheckSequence(whole, final) != nil {
		t.Errorf("with the missing %v, %v is still not complete", err.Missing, numbers)
	}
}

// A part of which it is not known what it has is missing, also behind all others: without it the
// file would be cut short.
func TestCheckListOfUnclearParts(t *testing.T) {
	known := func(n int32) upload.Part { return upload.Part{Number: n, Size: 1} }
	unclear := func(n int32) upload.Part { return upload.Part{Number: n, Unclear: true} }
	for name, tt := range map[string]struct {
		parts []upload.Part
		want  string
	}{
		"none":          {[]upload.Part{known(1), known(2)}, ""},
		"the only one":  {[]upload.Part{unclear(1)}, "missing 1"},
		"in the middle": {[]upload.Part{known(1), unclear(2), known(3)}, "missing 2"},
		"the last one":  {[]upload.Part{known(1), unclear(2)}, "missing 2"},
	} {
		err := upload.CheckList(tt.parts, nil)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want+";") {
			t.Errorf("%s: %v", name, err)
		}
		reason, _ := upload.MissingParts(&v1alpha1.MultipartUpload{}, &upload.PartList{Parts: tt.parts})
		if (reason == "") != (tt.want == "") {
			t.Errorf("%s: the reason is %q", name, reason)
		}
	}
}
