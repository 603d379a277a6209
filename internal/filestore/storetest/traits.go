package storetest

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// Behaviour is something in which backends differ.
type Behaviour string

// The behaviours that are observed, in the order of the table.
const (
	PayloadMode          Behaviour = "probe: payload mode"
	ConditionalComplete  Behaviour = "probe: conditional complete"
	ConditionalPut       Behaviour = "probe: conditional put"
	ConditionalCreate    Behaviour = "probe: conditional create"
	MatchETag            Behaviour = "probe: ETag in If-Match"
	KeyLimits            Behaviour = "probe: keys that cannot be"
	UploadListing        Behaviour = "probe: upload listing"
	ListingMetadata      Behaviour = "probe: metadata in listings"
	AbortKeepsObject     Behaviour = "probe: an abort after Complete keeps the object"
	ListingAfterRestart  Behaviour = "uploads listed by prefix after a restart"
	PartsAfterRestart    Behaviour = "parts after a restart"
	PartChecksum         Behaviour = "checksum in ListParts"
	ObjectChecksum       Behaviour = "checksum of the finished object"
	PartTwice            Behaviour = "a part that is sent twice in a moment"
	ReplacedETag         Behaviour = "Complete with the ETag of a part that was replaced"
	EmptyPart            Behaviour = "a part of 0 bytes, and its object"
	SmallPartInTheMiddle Behaviour = "small part in the middle at Complete"
	GapInNumbers         Behaviour = "gap in the part numbers at Complete"
	SomeParts            Behaviour = "some of the parts at Complete"
	UnknownComplete      Behaviour = "Complete of an upload that is not there"
	RepeatedComplete     Behaviour = "Complete again"
	RepeatedConditional  Behaviour = "Complete again, If-None-Match: *"
	ConcurrentCompletes  Behaviour = "8 Completes of one upload at once"
	PartDuringAbort      Behaviour = "part in flight when the upload is aborted"
	PartDuringComplete   Behaviour = "part in flight when the upload is completed"
	PartsAfterComplete   Behaviour = "parts listed, and a part sent, after Complete"
	AbortAfterComplete   Behaviour = "Abort after Complete"
	SameBytesSameETag    Behaviour = "the same bytes again give"
	ReplacedWhileRead    Behaviour = "object replaced while it is read"
	LongSegment          Behaviour = "key with a segment of 256 bytes"
	KeyBelowObject       Behaviour = "key below an object"
	KeyOfDirectory       Behaviour = "key that other keys are below"
	PutChecksum          Behaviour = "PutObject: checksum of the object"
	PutWhileRead         Behaviour = "PutObject: object replaced while it is read"
	PutLongSegment       Behaviour = "PutObject: key with a segment of 256 bytes"
	PutBelowObject       Behaviour = "PutObject: key below an object"
	PutDirectory         Behaviour = "PutObject: key that other keys are below"
	PutWhereKeysWere     Behaviour = "PutObject: key that deleted keys were below"
	ListBelowObject      Behaviour = "key below an object in listings"
)

// behaviours is the order of the table; the rows of the payload modes follow.
var behaviours = []Behaviour{
	PayloadMode, ConditionalComplete, ConditionalPut, ConditionalCreate, MatchETag, KeyLimits, UploadListing, ListingMetadata, AbortKeepsObject, ListingAfterRestart, PartsAfterRestart, PartChecksum, ObjectChecksum,
	PartTwice, ReplacedETag, EmptyPart, SmallPartInTheMiddle, GapInNumbers, SomeParts, UnknownComplete, RepeatedComplete, RepeatedConditional, ConcurrentCompletes,
	PartDuringAbort, PartDuringComplete, PartsAfterComplete, AbortAfterComplete, SameBytesSameETag, ReplacedWhileRead,
	LongSegment, KeyBelowObject, KeyOfDirectory,
	PutChecksum, PutWhileRead, PutLongSegment, PutBelowObject, PutDirectory, PutWhereKeysWere, ListBelowObject,
}

// InMode is what becomes of a part in a payload mode; see RunModes.
func InMode(mode v1alpha1.PayloadMode, event Event) Behaviour {
	return Behaviour(fmt.Sprintf("%s, %s", mode, event))
}

// ObjectInMode is the same of an object that is sent at once.
func ObjectInMode(mode v1alpha1.PayloadMode, event Event) Behaviour {
	return "PutObject: " + InMode(mode, event)
}

// Event is what happens to a part on its way.
type Event string

// The events of RunModes.
const (
	Whole         Event = "whole part"
	BodyFails     Event = "body fails halfway"
	ConnectionCut Event = "connection cut halfway"
	BitFlipped    Event = "bit flipped on the way"
)

var events = []Event{Whole, BodyFails, ConnectionCut, BitFlipped}

// Traits declare how a backend behaves where backends differ.
type Traits map[Behaviour]string

// Table collects what was observed of backends. It is safe for concurrent use.
type Table struct {
	mu       sync.Mutex
	backends []string
	cells    map[Behaviour]map[string]string
}

// NewTable makes an empty Table.
func NewTable() *Table { return &Table{cells: map[Behaviour]map[string]string{}} }

func (t *Table) set(backend string, b Behaviour, observed string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Contains(t.backends, backend) {
		t.backends = append(t.backends, backend)
	}
	if t.cells[b] == nil {
		t.cells[b] = map[string]string{}
	}
	t.cells[b][backend] = observed
}

// String is the table in Markdown: a row for each behaviour, a column for each backend.
func (t *Table) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	rows := slices.Clone(behaviours)
	for _, mode := range modes {
		for _, event := range events {
			rows = append(rows, InMode(mode, event), ObjectInMode(mode, event))
		}
	}
	for _, b := range slices.Sorted(maps.Keys(t.cells)) {
		if !slices.Contains(rows, b) {
			rows = append(rows, b)
		}
	}
	var s strings.Builder
	fmt.Fprintf(&s, "| behaviour | %s |\n|---|%s\n", strings.Join(t.backends, " | "), strings.Repeat("---|", len(t.backends)))
	for _, b := range rows {
		if t.cells[b] == nil {
			continue
		}
		fmt.Fprintf(&s, "| %s |", b)
		for _, backend := range t.backends {
			cell := t.cells[b][backend]
			if cell == "" {
				cell = "–"
			}
			fmt.Fprintf(&s, " %s |", cell)
		}
		s.WriteByte('\n')
	}
	return s.String()
}

// Publish logs the table, and writes it to the file that IOTFILE_CONFORMANCE_TABLE names, if it
// names one.
func (t *Table) Publish(tb testing.TB) {
	tb.Helper()
	text := t.String()
	tb.Log("\n" + text)
	if path := os.Getenv("IOTFILE_CONFORMANCE_TABLE"); path != "" {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			tb.Error(err)
		}
	}
}
