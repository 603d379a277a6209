package devcluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// kubernetesReleases is where the Kubernetes project publishes its programs, each with its SHA-256:
// https://kubernetes.io/releases/download/.
const kubernetesReleases = "https://dl.k8s.io/release"

// releasedBinary returns a program of a release of Kubernetes, downloading it once. It returns ""
// when there is none to be had, which is normal: then the tool is built. IOTFILE_TOOLS_DOWNLOAD=no
// turns downloads off; IOTFILE_KUBERNETES_RELEASES names another place, such as a mirror's.
func (f *toolFinder) releasedBinary(ctx context.Context, tool Tool, version string) (string, error) {
	if runtime.GOOS != "linux" { // servers are for Linux alone
		return "", nil
	}
	path := filepath.Join(f.cache, "released", version+"-"+platform(), string(tool))
	return f.once(ctx, tool, path, func() error { return f.downloadReleased(ctx, tool, version, path) })
}

// downloadReleased puts the program at path when it is whole.
func (f *toolFinder) downloadReleased(ctx context.Context, tool Tool, version, path string) error {
	base := os.Getenv("IOTFILE_KUBERNETES_RELEASES")
	if base == "" {
		base = kubernetesReleases
	}
	address := fmt.Sprintf("%s/%s/bin/%s/%s/%s", base, version, runtime.GOOS, runtime.GOARCH, tool)
	var want bytes.Buffer
	if err := fetch(ctx, envtestProbeTimeout, address+".sha256", &want); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	lock, err := waitLock(ctx, path+".lock", func(holder string) {
		fmt.Fprintf(f.log, "%s %s: waiting for pid %s, which is downloading it\n", tool, version, holder)
	})
	if err != nil {
		return err
	}
	defer func() { _ = lock.Unlock() }()
	if _, err := executable(path); err == nil {
		return nil
	}
	progress := startProgress(f.log, fmt.Sprintf("%s %s", tool, version))
	progress.set("downloading")
	defer progress.finish()
	unfinished, err := os.OpenFile(path+".unfinished", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	sum := sha256.New()
	err = fetch(ctx, envtestDownloadTimeout, address, io.MultiWriter(unfinished, sum))
	if err := errors.Join(err, unfinished.Close()); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != string(bytes.TrimSpace(want.Bytes())) {
		return errors.Join(errors.New("its checksum is wrong"), os.Remove(unfinished.Name()))
	}
	return os.Rename(unfinished.Name(), path)
}

// fetch writes what is at an address, within limit.
func fetch(ctx context.Context, limit time.Duration, address string, to io.Writer) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", address, res.Status)
	}
	_, err = io.Copy(to, res.Body)
	return err
}
