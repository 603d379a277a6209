package upload

import "fmt"

// Sizes are those of an upload's parts in bytes, by their numbers.
type Sizes map[int32]int64

// Sum adds them up.
func (s Sizes) Sum() int64 {
	sum := int64(0)
	for _, size := range s {
		sum += size
	}
	return sum
}

// Growth is by how many bytes the upload grows with a part of that number and size: one that
// replaces a part counts with what it is larger by.
func (s Sizes) Growth(number int32, size int64) int64 { return max(0, size-s[number]) }

// AdmitDeclared refuses a part with which an upload would hold more bytes than were declared for
// it. held is how many it has, with what is on its way, and growth what the part adds. A part that
// adds nothing passes. It returns nil or a *Refusal.
func AdmitDeclared(declared, held, growth, size int64) error {
	switch {
	case size > declared:
		return &Refusal{RefusalTooLarge, fmt.Sprintf("the part has %d bytes, and the upload was started for a file of %d", size, declared)}
	case growth > 0 && held+growth > declared:
		return &Refusal{RefusalTooLarge, fmt.Sprintf("the upload was started for a file of %d bytes and has %d, with what is on its way: a part of %d bytes is too much. The same number again replaces a part", declared, held, size)}
	}
	return nil
}
