package devcluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

// seaweedEntry is a file or directory of the filer.
type seaweedEntry struct {
	FullPath string
	Mtime    time.Time
	Chunks   []struct{ Size int64 }
	// Extended has, of the directory of an upload, its key.
	Extended map[string][]byte
	Content  []byte
}

// seaweedFSUploads reads the filer's directory of uploads: each has one of its own, named by the
// id, with a file NUMBER_RANDOM.part for each part that was sent, also those sent again.
func (s *ObjectStore) seaweedFSUploads(ctx context.Context, bucket string, _ []string) ([]UploadDir, error) {
	root := "/buckets/" + bucket + "/.uploads"
	uploads, err := s.filerEntries(ctx, root)
	if err != nil {
		return nil, err
	}
	out := make([]UploadDir, 0, len(uploads))
	for _, u := range uploads {
		d := UploadDir{ID: path.Base(u.FullPath), Key: strings.TrimPrefix(string(u.Extended["key"]), "/"), Modified: u.Mtime}
		parts, err := s.filerEntries(ctx, root+"/"+d.ID)
		if err != nil {
			return nil, err
		}
		for _, p := range parts {
			digits, _, _ := strings.Cut(path.Base(p.FullPath), "_")
			number, err := strconv.Atoi(digits)
			if err != nil {
				continue
			}
			file := PartFile{Number: number, Size: int64(len(p.Content)), Modified: p.Mtime}
			for _, chunk := range p.Chunks {
				file.Size += chunk.Size
			}
			d.Parts = append(d.Parts, file)
		}
		out = append(out, d)
	}
	return out, nil
}

// filerEntries lists a directory of the filer; one that is not there is empty.
func (s *ObjectStore) filerEntries(ctx context.Context, dir string) ([]seaweedEntry, error) {
	var out []seaweedEntry
	for last := ""; ; {
		query := url.Values{"limit": {"1000"}, "lastFileName": {last}}
		address := url.URL{Scheme: "http", Host: address(s.helperPorts[seaweedFilerPort].number), Path: dir + "/", RawQuery: query.Encode()}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
		if err != nil {
			return nil, err
		}
		request.Header.Set("Accept", "application/json")
		page, err := s.filerPage(request)
		if err != nil {
			return nil, fmt.Errorf("the filer's %s: %w", dir, err)
		}
		out = append(out, page.Entries...)
		if last = page.LastFileName; !page.ShouldDisplayLoadMore {
			return out, nil
		}
	}
}

// filerPage is an answer of the filer.
type filerPage struct {
	Entries               []seaweedEntry
	LastFileName          string
	ShouldDisplayLoadMore bool
}

func (s *ObjectStore) filerPage(request *http.Request) (page filerPage, err error) {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return page, err
	}
	defer func() { _ = response.Body.Close() }()
	switch response.StatusCode {
	case http.StatusOK:
		return page, json.NewDecoder(response.Body).Decode(&page)
	case http.StatusNotFound:
		return page, nil
	}
	return page, fmt.Errorf("it answers %s", response.Status)
}

// seaweedFSTempFiles are the chunks on the volumes that no file of the filer refers to: volume.fsck
// of SeaweedFS's own shell finds them.
func (s *ObjectStore) seaweedFSTempFiles(ctx context.Context, bucket string) ([]TempFile, error) {
	out, err := s.weedShell(ctx, "lock", "volume.fsck -v -cutoffTimeAgo=0s -collection="+bucket, "unlock")
	if err != nil {
		return nil, err
	}
	return orphanedChunks(out, bucket)
}

// weedShell runs commands in SeaweedFS's shell, and returns what that prints.
func (s *ObjectStore) weedShell(ctx context.Context, commands ...string) ([]byte, error) {
	input := strings.NewReader(strings.Join(commands, "\n") + "\n")
	return s.command(ctx, input, s.program, "shell", "-master="+s.seaweedServer(seaweedMasterPort), "-filer="+s.seaweedServer(seaweedFilerPort))
}

// orphanedChunks reads what volume.fsck says: a line BUCKET:VOLUME,ID for each chunk, and at the
// end, or after each volume, how many bytes they have together.
func orphanedChunks(out []byte, bucket string) ([]TempFile, error) {
	var files []TempFile
	var size int64
	finished := false
	for _, line := range linesOf(out) {
		if _, chunk, ok := strings.Cut(line, bucket+":"); ok && strings.Contains(chunk, ",") {
			files = append(files, TempFile{Path: chunk})
		}
		if fields := strings.Split(line, "\t"); strings.HasPrefix(line, "Total\t") {
			var err error
			if size, err = strconv.ParseInt(strings.TrimSuffix(fields[len(fields)-1], "B"), 10, 64); err != nil {
				return nil, fmt.Errorf("volume.fsck says %q", line)
			}
			finished = true
		}
	}
	if !finished {
		return nil, fmt.Errorf("volume.fsck says no total: %s", out)
	}
	if len(files) > 0 {
		files[0].Size = size // of all: it does not tell that of each
	}
	return files, nil
}
