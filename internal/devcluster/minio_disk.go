package devcluster

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// How MinIO keeps uploads, all of it below .minio.sys:
//
//	format.json                                   has the id of the deployment
//	multipart/SHA256-OF-BUCKET/KEY/UPLOAD/xl.meta, DATA/part.NUMBER, DATA/part.NUMBER.meta
//	tmp/BODY/…                                    bodies in flight
//	tmp/.trash/…                                  what is being deleted
//	tmp-old/…                                     what tmp held at the last start, being deleted
//
// An upload id is base64(DEPLOYMENT.UPLOAD).
const minIOSystem = ".minio.sys"

func (s *ObjectStore) minIOUploads(_ context.Context, bucket string, keys []string) ([]UploadDir, error) {
	system := filepath.Join(s.dir, "data", minIOSystem)
	deployment, err := minIODeployment(system)
	if err != nil {
		return nil, err
	}
	root := filepath.Join(system, "multipart")
	known := hashesOf(bucket+"/", keys)
	hashes, err := readDir(root)
	if err != nil {
		return nil, err
	}
	var out []UploadDir
	for _, hash := range hashes {
		uploads, err := readDir(filepath.Join(root, hash.Name()))
		if err != nil {
			return nil, err
		}
		for _, u := range uploads {
			d := UploadDir{
				ID:  base64.RawURLEncoding.EncodeToString([]byte(deployment + "." + u.Name())),
				Key: known[hash.Name()],
			}
			if err := d.readUpload(filepath.Join(root, hash.Name(), u.Name()), minIOPart); err != nil {
				return nil, err
			}
			out = append(out, d)
		}
	}
	return out, nil
}

func minIOPart(name string) (string, bool) { return strings.CutPrefix(name, "part.") }

func minIODeployment(system string) (string, error) {
	data, err := os.ReadFile(filepath.Join(system, "format.json"))
	if err != nil {
		return "", err
	}
	var format struct{ ID string }
	if err := json.Unmarshal(data, &format); err != nil {
		return "", fmt.Errorf("format.json: %w", err)
	}
	return format.ID, nil
}

func (s *ObjectStore) minIOTempFiles(context.Context, string) ([]TempFile, error) {
	var out []TempFile
	for _, name := range []string{"tmp", "tmp-old"} {
		root := filepath.Join(s.dir, "data", minIOSystem, name)
		trash := filepath.Join(root, ".trash") + string(filepath.Separator)
		err := walkFiles(root, func(path string, info fs.FileInfo) {
			if !strings.HasPrefix(path, trash) {
				out = append(out, TempFile{Path: path, Size: info.Size(), Modified: info.ModTime()})
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
