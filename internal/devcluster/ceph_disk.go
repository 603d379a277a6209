package devcluster

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// How a RADOS Gateway keeps uploads, MARKER being the bucket's:
//
//	default.rgw.buckets.non-ec   MARKER__multipart_KEY.ID.meta          an upload that is open
//	default.rgw.buckets.data     MARKER__multipart_KEY.COPY.NUMBER      the first bytes of a part
//	                             MARKER__shadow_KEY.COPY.NUMBER_PIECE   further 4 MiB of it
//	                             MARKER_KEY                             a file, or the head of one
//
// COPY is the upload's id, or a random name for a part that was sent again. The parts of a
// completed upload stay where they are: they are the file.
const (
	cephData      = "default.rgw.buckets.data"
	cephOpen      = "default.rgw.buckets.non-ec"
	cephMultipart = "__multipart_"
	cephShadow    = "__shadow_"
)

func (s *ObjectStore) cephUploads(ctx context.Context, bucket string, _ []string) ([]UploadDir, error) {
	marker, open, data, err := s.cephObjects(ctx, bucket)
	if err != nil {
		return nil, err
	}
	var out []UploadDir
	for _, name := range open {
		upload, ok := strings.CutSuffix(strings.TrimPrefix(name, marker+cephMultipart), ".meta")
		at := strings.LastIndexByte(upload, '.')
		if !ok || at < 0 {
			continue
		}
		d := UploadDir{Key: upload[:at], ID: upload[at+1:]}
		for _, part := range data {
			number, err := strconv.Atoi(strings.TrimPrefix(part, marker+cephMultipart+upload+"."))
			if err == nil {
				d.Parts = append(d.Parts, PartFile{Number: number})
			}
		}
		out = append(out, d)
	}
	return out, nil
}

// cephTempFiles are what `rados ls` has and the bucket does not refer to. An entry of its index
// that is of a part, but of neither a file nor an open upload, refers to nothing: it stays when a
// part was sent twice.
func (s *ObjectStore) cephTempFiles(ctx context.Context, bucket string) ([]TempFile, error) {
	marker, open, data, err := s.cephObjects(ctx, bucket)
	if err != nil {
		return nil, err
	}
	listed, err := s.ceph(ctx, "radosgw-admin", "-n", "client.rgw", "bucket", "radoslist", "--bucket="+bucket)
	if err != nil {
		return nil, err
	}
	referred := map[string]bool{}
	for _, name := range linesOf(listed) {
		referred[name] = true
	}
	var out []TempFile
	for _, name := range data {
		if !strings.HasPrefix(name, marker+"_") || referred[name] && !orphanedPart(name, marker, open, data) {
			continue
		}
		size, err := s.radosSize(ctx, name)
		switch {
		case errors.Is(err, fs.ErrNotExist): // collected meanwhile
		case err != nil:
			return nil, err
		default:
			out = append(out, TempFile{Path: name, Size: size})
		}
	}
	return out, nil
}

// orphanedPart reports whether an object of the pool is of a part whose key has neither a file nor
// an upload.
func orphanedPart(name, marker string, open, data []string) bool {
	part, ok := strings.CutPrefix(name, marker+cephMultipart)
	if !ok {
		part, ok = strings.CutPrefix(name, marker+cephShadow)
	}
	key := part
	for range 2 { // COPY and NUMBER
		key = key[:max(0, strings.LastIndexByte(key, '.'))]
	}
	return ok && !slices.Contains(data, marker+"_"+key) &&
		!slices.ContainsFunc(open, func(meta string) bool { return strings.HasPrefix(meta, marker+cephMultipart+key+".") })
}

// cephObjects gives the marker of a bucket, and the names in the pools of open uploads and of data.
func (s *ObjectStore) cephObjects(ctx context.Context, bucket string) (marker string, open, data []string, err error) {
	if marker, err = s.cephMarker(ctx, bucket); err != nil {
		return "", nil, nil, err
	}
	if open, err = s.rados(ctx, cephOpen); err != nil {
		return "", nil, nil, err
	}
	data, err = s.rados(ctx, cephData)
	return marker, open, data, err
}

func (s *ObjectStore) cephMarker(ctx context.Context, bucket string) (string, error) {
	out, err := s.ceph(ctx, "radosgw-admin", "-n", "client.rgw", "bucket", "stats", "--bucket="+bucket)
	if err != nil {
		return "", err
	}
	var stats struct{ Marker string }
	err = json.Unmarshal(out, &stats)
	return stats.Marker, err
}

// rados lists a pool. One that is not there is empty: the gateway makes each at its first need.
func (s *ObjectStore) rados(ctx context.Context, pool string) ([]string, error) {
	pools, err := s.ceph(ctx, "rados", "lspools")
	if err != nil || !slices.Contains(linesOf(pools), pool) {
		return nil, err
	}
	out, err := s.ceph(ctx, "rados", "--pool="+pool, "ls")
	return linesOf(out), err
}

// radosSize is how many bytes an object of the pool of data has. It returns fs.ErrNotExist,
// wrapped, where there is none.
func (s *ObjectStore) radosSize(ctx context.Context, name string) (int64, error) {
	out, err := s.ceph(ctx, "rados", "--pool="+cephData, "stat", name)
	if err != nil && strings.Contains(err.Error(), "(2) No such file or directory") {
		err = fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	if err != nil {
		return 0, err
	}
	_, text, ok := strings.Cut(strings.TrimSpace(string(out)), ", size ")
	if !ok {
		return 0, fmt.Errorf("rados stat says %q", out)
	}
	return strconv.ParseInt(text, 10, 64)
}

func linesOf(text []byte) []string {
	var out []string
	for scanner := bufio.NewScanner(bytes.NewReader(text)); scanner.Scan(); {
		if scanner.Text() != "" {
			out = append(out, scanner.Text())
		}
	}
	return out
}
