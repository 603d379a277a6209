package upload

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// CheckSequence reports whether parts numbered numbers, in ascending order, can be assembled: they
// must be exactly 1..N with N ≥ 1 (docs/rest-api.md, "Complete"). If final is not nil, N must be
// *final. It returns nil or a *SequenceError.
func CheckSequence(numbers []int32, final *int32) error {
	last := int32(0)
	if len(numbers) > 0 {
		last = numbers[len(numbers)-1]
	}
	e := &SequenceError{Parts: len(numbers)}
	if final != nil {
		if last > *final {
			e.Beyond = *final
		}
		last = *final
	}
	have := make(map[int32]bool, len(numbers))
	for _, n := range numbers {
		have[n] = true
	}
	for n := range last {
		if !have[n+1] {
			e.Missing = append(e.Missing, n+1)
		}
	}
	if last > 0 && len(e.Missing) == 0 && e.Beyond == 0 {
		return nil
	}
	return e
}

// CheckList is CheckSequence for parts in the order of their numbers, of which some may be Unclear.
// One of these at the end is missing as well: without it the file would be cut short.
func CheckList(parts []Part, final *int32) error {
	numbers := make([]int32, 0, len(parts))
	for _, p := range parts {
		if !p.Unclear {
			numbers = append(numbers, p.Number)
		}
	}
	if n := len(parts); final == nil && n > 0 && parts[n-1].Unclear {
		final = &parts[n-1].Number
	}
	return CheckSequence(numbers, final)
}

// MissingPartsDelay is how long the parts of an upload that is to be completed must be seen to be
// incomplete before that is believed. MinIO takes the parts off its list, one by one, before it has
// put the file in place: who looks in between, because another process or an earlier request has
// the file assembled, sees an open upload with few parts or none. A part that is being replaced is
// not listed for a moment there, either. It is a matter of milliseconds, on a disk that has nothing
// else to do.
const MissingPartsDelay = 3 * time.Second

// EndKnown reports whether it is recorded where the file ends. Else it ends with the last part that
// is listed.
func EndKnown(u *v1alpha1.MultipartUpload) bool {
	return u.Spec.Size != nil || u.Spec.FinalPartNumber != nil
}

// MissingParts says why the parts of an open upload are not what it is to be completed with: nil,
// or a condition reason and a *SequenceError or *SizeError.
func MissingParts(u *v1alpha1.MultipartUpload, partList *PartList) (reason string, err error) {
	if err := CheckList(partList.Parts, u.Spec.FinalPartNumber); err != nil {
		return v1alpha1.ReasonPartsMissing, err
	}
	if err := CheckSize(SumOf(partList.Parts), u.Spec.Size); err != nil {
		return v1alpha1.ReasonSizeMismatch, err
	}
	return "", nil
}

// SequenceError says why parts cannot be assembled. Its text may be shown to a client.
type SequenceError struct {
	// Parts is how many parts there are.
	Parts int
	// Missing are the numbers that are missing, ascending.
	Missing []int32
	// Beyond is the final part's number if there are parts behind it, else 0.
	Beyond int32
}

// Error implements error.
func (e *SequenceError) Error() string {
	switch {
	case len(e.Missing) > 0:
		return fmt.Sprintf("the parts are not complete: missing %s; the parts that arrived are kept, send the missing ones and complete again", ranges(e.Missing))
	case e.Beyond > 0:
		return fmt.Sprintf("there are parts behind number %d, which was fixed as the last one", e.Beyond)
	default:
		return "there is no part to complete: send parts first, or the file's bytes with this request"
	}
}

// ranges writes ascending numbers as "2, 5-9, 12", up to ten runs of them.
func ranges(numbers []int32) string {
	const limit = 10
	var runs []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		if len(runs) == limit {
			runs = append(runs, "…")
			break
		}
		run := strconv.Itoa(int(numbers[i]))
		if j > i {
			run += "-" + strconv.Itoa(int(numbers[j]))
		}
		runs = append(runs, run)
		i = j + 1
	}
	return strings.Join(runs, ", ")
}
