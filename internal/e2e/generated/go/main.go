// Command generatedclient sends a file in three parts, reads it back and finds it in the listing,
// with nothing but what oapi-codegen has made of the OpenAPI document in this package: the file
// client.gen.go, which is generated for each run and not kept.
//
// Arguments: the address of the API, the token, the entity, the path of the file, its media type,
// and the files that hold the parts. It prints what it has seen as JSON.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
)

// bytesType is how the document declares bodies first.
const bytesType = "application/octet-stream"

// report is what was seen. The names are those of the test that reads it.
type report struct {
	Limits       []int64 `json:"limits"`
	Location     string  `json:"location"`
	Parts        []Part  `json:"parts"`
	Size         int     `json:"size"`
	SHA256       string  `json:"sha256"`
	MediaType    string  `json:"mediaType"`
	CacheControl string  `json:"cacheControl"`
	Files        []File  `json:"files"`
}

func main() {
	if len(os.Args) < 7 {
		fmt.Fprintln(os.Stderr, "usage: generatedclient ADDRESS TOKEN ENTITY PATH MEDIATYPE PART...")
		os.Exit(2)
	}
	seen, err := run(context.Background(), os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(seen)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, address, token, entity, path, mediaType string, parts []string) (*report, error) {
	client, err := NewClientWithResponses(address, WithRequestEditorFn(func(_ context.Context, req *http.Request) error {
		req.Header.Set("Authorization", "Bearer "+token)
		return nil
	}))
	if err != nil {
		return nil, err
	}
	seen := &report{}
	put := func(params WriteFileParams, body []byte) (*WriteFileResponse, error) {
		answer, err := client.WriteFileWithBodyWithResponse(ctx, entity, path, &params, bytesType, bytes.NewReader(body))
		if err == nil {
			err = check("write", answer.HTTPResponse, answer.Body)
		}
		return answer, err
	}
	step := func(upload WriteFileParamsUpload) WriteFileParams { return WriteFileParams{Upload: &upload} }

	start := step("start")
	caching := "max-age=60"
	start.Type, start.CacheControl = &mediaType, &caching
	opened, err := put(start, nil)
	if err != nil {
		return nil, err
	}
	h := opened.Headers201
	if h == nil || h.XPartSizeMin == nil || h.XPartSizeMax == nil || h.XPartNumberMax == nil {
		return nil, errors.New("the start does not tell how to cut the file")
	}
	seen.Limits = []int64{*h.XPartSizeMin, *h.XPartSizeMax, int64(*h.XPartNumberMax)}
	for i, name := range parts {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		number := i + 1
		if _, err := put(WriteFileParams{Part: &number}, content); err != nil {
			return nil, fmt.Errorf("part %d: %w", number, err)
		}
	}
	listed, err := client.ListPartsWithResponse(ctx, entity, path)
	if err != nil || listed.JSON200 == nil {
		return nil, fmt.Errorf("list the parts: %v, %w", listed, err)
	}
	seen.Parts = *listed.JSON200
	completed, err := put(step("complete"), nil)
	if err != nil {
		return nil, err
	}
	seen.Location = completed.HTTPResponse.Header.Get("Location")
	return seen, read(ctx, client, entity, path, seen)
}

// read reads the file and the listing.
func read(ctx context.Context, client *ClientWithResponses, entity, path string, seen *report) error {
	file, err := client.ReadFileWithResponse(ctx, entity, path, nil)
	if err == nil {
		err = check("read", file.HTTPResponse, file.Body)
	}
	if err != nil {
		return err
	}
	sum := sha256.Sum256(file.Body)
	seen.Size, seen.SHA256 = len(file.Body), hex.EncodeToString(sum[:])
	seen.MediaType, seen.CacheControl = file.HTTPResponse.Header.Get("Content-Type"), file.HTTPResponse.Header.Get("Cache-Control")
	order := "name asc"
	found, err := client.SearchFilesWithResponse(ctx, entity, &SearchFilesParams{Order: &order})
	if err != nil || found.JSON200 == nil {
		return fmt.Errorf("search: %v, %w", found, err)
	}
	seen.Files = *found.JSON200
	return nil
}

func check(what string, answer *http.Response, body []byte) error {
	if answer.StatusCode >= 300 {
		return fmt.Errorf("%s: %s %s", what, answer.Status, body)
	}
	return nil
}
