package upload_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/upload"
)

// What is stored with files outlives every version of the operator: a change here orphans the
// metadata of all files.
func TestFileMetadataGolden(t *testing.T) {
	m := upload.FileMetadata{
		Version: 7, Owner: "6d2c9a3e-4b1f-4a57-9c1e-0f8a7b6c5d4e", Description: "Größe: 100 % / ok", CreatedBy: "system:serviceaccount:team-a:app", UpdatedBy: "jürgen",
		Timestamp: time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.FixedZone("CET", 3600)), Created: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC),
		Replaced: time.Date(2026, 3, 4, 5, 6, 7, 8_000_000, time.UTC),
	}
	want := map[string]string{
		"iotfile-version":     "7",
		"iotfile-owner":       "6d2c9a3e-4b1f-4a57-9c1e-0f8a7b6c5d4e",
		"iotfile-description": "Gr%C3%B6%C3%9Fe:%20100%20%25%20%2F%20ok",
		"iotfile-timestamp":   "2026-01-02T02:04:05.678Z",
		"iotfile-created":     "2026-02-03T04:05:06Z",
		"iotfile-replaced":    "2026-03-04T05:06:07.008Z",
		"iotfile-created-by":  "system:serviceaccount:team-a:app",
		"iotfile-updated-by":  "j%C3%BCrgen",
	}
	if diff := cmp.Diff(want, m.Encode()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"iotfile-version": "0"}, upload.FileMetadata{}.Encode()); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeFileMetadataOfOthers(t *testing.T) {
	for name, meta := range map[string]map[string]string{
		"None":            nil,
		"Foreign":         {"author": "somebody"},
		"VersionText":     {"iotfile-version": "seven"},
		"VersionNegative": {"iotfile-version": "-1"},
		"VersionHuge":     {"iotfile-version": "9007199254740992"}, // the next one could not be told from it in JSON
		"VersionOverflow": {"iotfile-version": "9223372036854775808"},
		"BadEscape":       {"iotfile-owner": "%zz", "iotfile-description": "100%"},
		"BadTimes":        {"iotfile-created": "yesterday", "iotfile-timestamp": "2026"},
	} {
		if diff := cmp.Diff(upload.FileMetadata{}, upload.DecodeFileMetadata(meta)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestFileMetadataFitsIntoS3sLimit(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 123_456_789, time.UTC)
	m := upload.FileMetadata{
		Version: upload.MaxVersion, Owner: types.UID(strings.Repeat("a", 36)), Description: strings.Repeat("😀", 100), Timestamp: at, Created: at, Replaced: at,
		CreatedBy: strings.Repeat("ü", 512), UpdatedBy: strings.Repeat("x", 512),
	}
	var size int
	for key, value := range m.Encode() {
		size += len(key) + len(value)
	}
	if size > 2048 {
		t.Errorf("%d bytes of user metadata, S3 takes 2048", size)
	}
	got := upload.DecodeFileMetadata(m.Encode())
	if got.Description != m.Description || got.Owner != m.Owner || got.Version != m.Version {
		t.Errorf("more than names of users was cut: %+v", got)
	}
	if len(got.CreatedBy) < 40 || !strings.HasPrefix(m.CreatedBy, got.CreatedBy) || !strings.HasPrefix(m.UpdatedBy, got.UpdatedBy) {
		t.Errorf("names of users were cut to %q and %q", got.CreatedBy, got.UpdatedBy)
	}
}

// FuzzFileMetadata: every value can stand in a header, keys and values together keep S3's limit,
// and all comes back.
func FuzzFileMetadata(f *testing.F) {
	f.Add(int64(0), "uid", "text", "user", "other", int64(0), int64(0))
	f.Add(int64(41), "", "line\r\nInjected: header", "jürgen", "\x00", int64(1_700_000_000_000_000_000), int64(1))
	f.Add(int64(1), "u", " leading and trailing ", "a+b%20c", "日本", int64(-1), int64(1<<62))
	f.Fuzz(func(t *testing.T, version int64, owner, description, createdBy, updatedBy string, timestamp, created int64) {
		if version < 0 || version > upload.MaxVersion || len(owner) > 36 || utf8.RuneCountInString(description) > 100 || len(createdBy) > 512 || len(updatedBy) > 512 {
			t.Skip("the API server takes no such values")
		}
		for _, s := range []string{owner, description, createdBy, updatedBy} {
			if !utf8.ValidString(s) {
				t.Skip("not from JSON")
			}
		}
		m := upload.FileMetadata{
			Version: version, Owner: types.UID(owner), Description: description, CreatedBy: createdBy, UpdatedBy: updatedBy,
			Timestamp: time.Unix(0, timestamp).UTC(), Created: time.Unix(0, created).UTC(),
		}
		encoded := m.Encode()
		var size int
		for key, value := range encoded {
			size += len(key) + len(value)
			for _, c := range []byte(key + value) {
				if c <= 0x20 || c >= 0x7f {
					t.Fatalf("%s: %q cannot stand in a header", key, value)
				}
			}
		}
		got := upload.DecodeFileMetadata(encoded)
		if !strings.HasPrefix(m.CreatedBy, got.CreatedBy) || !strings.HasPrefix(m.UpdatedBy, got.UpdatedBy) {
			t.Errorf("users %q, %q came back as %q, %q", m.CreatedBy, m.UpdatedBy, got.CreatedBy, got.UpdatedBy)
		}
		if got.CreatedBy != m.CreatedBy || got.UpdatedBy != m.UpdatedBy {
			if size < 1000 {
				t.Errorf("cut at %d bytes", size)
			}
			got.CreatedBy, got.UpdatedBy = m.CreatedBy, m.UpdatedBy
		}
		if owner == strings.ToLower(owner) && len(owner)*3+utf8.RuneCountInString(description)*12 < 1400 && size > 2048 {
			t.Errorf("%d bytes of user metadata, S3 takes 2048", size)
		}
		if diff := cmp.Diff(m, got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestTimestampOf: the time of a record, as this version, earlier ones and manifests write it.
func TestTimestampOf(t *testing.T) {
	for text, want := range map[string]time.Time{
		"2026-01-02T03:04:05Z":             time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), // as metav1.Time wrote it
		"2026-01-02T03:04:05.678Z":         time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC),
		"2026-01-02t03:04:05.678z":         time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC),
		"2026-01-02T03:04:05.678901+01:00": time.Date(2026, 1, 2, 2, 4, 5, 678901e3, time.UTC),
		"9999-12-31T23:59:59-01:00":        {},
		"0001-01-01T00:00:00+01:00":        {},
		"yesterday":                        {},
		"":                                 {},
	} {
		if got := upload.TimestampOf(&v1alpha1.MultipartUploadSpec{Timestamp: text}); !got.Equal(want) {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
}
