package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// replacedBytes is the size of a part that takes the place of one of probePartBytes.
const replacedBytes = probePartBytes / 2

// replaceParts opens another upload, in the place of the one that the probe has open, with one part
// that is sent three times: cut short, whole, and with other bytes, as clients do whose connections
// break. Which of the copies counts shows when they are assembled: a backend that lists all of them
// goes by the ETag that it is given.
func (p *probe) replaceParts(ctx context.Context) error {
	before := p.open
	if err := p.openUpload(ctx); err != nil {
		return err
	}
	if err := p.AbortUpload(ctx, before); err != nil {
		return err
	}
	content := probeBytes()
	cut := io.MultiReader(bytes.NewReader(content[:probeCutAfter]), failing{errProbeCut})
	if _, err := p.PutPart(ctx, p.open, 1, cut, probePartBytes); !errors.Is(err, errProbeCut) {
		return err
	}
	for _, sent := range [][]byte{content, content[:replacedBytes]} {
		part, err := p.PutPart(ctx, p.open, 1, bytes.NewReader(sent), int64(len(sent)))
		if filestore.Terminal(err) {
			return notReplaced(fmt.Errorf("a second part of one number: %w", err))
		}
		if err != nil {
			return err
		}
		p.part = part
	}
	return nil
}

// tookReplacement fails unless the object, which was just assembled, is of the part that was sent
// last.
func (p *probe) tookReplacement(ctx context.Context) error {
	object, err := p.Stat(ctx, p.key)
	if err == nil && object.Size != replacedBytes {
		err = notReplaced(errors.New("the file was assembled of the part before"))
	}
	return err
}

func notReplaced(cause error) error {
	return &filestore.Error{Op: opPut, Kind: filestore.ErrPartsNotReplaced, Cause: cause}
}
