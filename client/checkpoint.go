package iotfile

import (
	"encoding/json"
	"strconv"
)

// checkpoint is what a destination has of a file. Its JSON form is for the eyes of this package
// alone, but stays readable for later versions of it.
type checkpoint struct {
	Tag      string `json:"tag"`
	Size     int64  `json:"size"`
	PartSize int64  `json:"partSize"`
	// Sums are the CRC64NVME in hexadecimal of the ranges that are there, by number.
	Sums map[int]string `json:"sums"`
}

// newCheckpoint goes on with an earlier one, if that is of this file.
func newCheckpoint(f *File, partSize int64, earlier []byte) *checkpoint {
	var c checkpoint
	if json.Unmarshal(earlier, &c) == nil && c.Tag == f.Tag && c.Tag != "" && c.Size == f.Size && c.PartSize > 0 && c.Sums != nil {
		return &c
	}
	return &checkpoint{Tag: f.Tag, Size: f.Size, PartSize: partSize, Sums: map[int]string{}}
}

func (c *checkpoint) add(number int, crc uint64) { c.Sums[number] = strconv.FormatUint(crc, 16) }

// known gives the CRC of a range, if that is there.
func (c *checkpoint) known(number int) (uint64, bool) {
	crc, err := strconv.ParseUint(c.Sums[number], 16, 64)
	return crc, err == nil
}

func (c *checkpoint) sum(number int) uint64 {
	crc, _ := c.known(number)
	return crc
}

func (c *checkpoint) encode() []byte {
	data, _ := json.Marshal(c) // of such a type it cannot fail
	return data
}
