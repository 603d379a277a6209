package dataplane

import (
	"strconv"

	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// tellLimits tells the client of a start what it must know to cut the file: the sizes that parts
// may have, and how many there may be. Only the body of upload=complete may be smaller, and it is
// one part more.
func (c *call) tellLimits(limits upload.Limits) {
	h := c.response.Header()
	h.Set("X-Part-Size-Min", strconv.FormatInt(limits.MinPartSize, 10))
	h.Set("X-Part-Size-Max", strconv.FormatInt(limits.MaxPartSize, 10))
	h.Set("X-Part-Number-Max", strconv.FormatInt(int64(limits.MaxPartNumber), 10))
}
