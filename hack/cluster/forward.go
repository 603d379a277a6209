package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// forwardSize is that of the file that goes through the port-forward.
const forwardSize = 1 << 30

// forward has the developer send a file through the API server and get it back. Meanwhile the pods
// that serve it are taken away, one after the other, as a node that fails takes them.
func (s *suite) forward(ctx context.Context) (string, error) {
	kubeconfig, err := s.developer(ctx)
	if err != nil {
		return "", err
	}
	source, copied := filepath.Join(s.scratch, "sent"), filepath.Join(s.scratch, "received")
	defer func() { _, _ = os.Remove(source), os.Remove(copied) }()
	want, err := randomFile(source, forwardSize)
	if err != nil {
		return "", err
	}
	// The Role counts when the API server has heard of its binding.
	err = eventually(ctx, "the developer is let in", func(ctx context.Context) error {
		return s.developerRuns(ctx, kubeconfig, nil, "whoami")
	})
	if err != nil {
		return "", err
	}
	to, began := newEntity()+"/one.bin", time.Now()
	retries, err := s.sendWhilePodsGo(ctx, kubeconfig, source, to)
	if err != nil {
		return "", err
	}
	sent := time.Since(began)
	if err := s.rolledOut(ctx); err != nil {
		return "", err
	}
	began = time.Now()
	if err := s.developerRuns(ctx, kubeconfig, nil, "get", to, copied); err != nil {
		return "", err
	}
	received := time.Since(began)
	if got, err := digest(copied); err != nil || got != want {
		return "", errors.Join(fmt.Errorf("what came back has the digest %s, and not %s", got, want), err)
	}
	rate := func(took time.Duration) float64 { return forwardSize / took.Seconds() / 1e6 }
	return fmt.Sprintf("1 GiB in %.1f s (%.0f MB/s), both pods killed meanwhile, %d requests sent again; back in %.1f s (%.0f MB/s), identical",
		sent.Seconds(), rate(sent), retries, received.Seconds(), rate(received)), nil
}

// sendWhilePodsGo sends the file. When a quarter of it is there, and when half of it is, one of the
// two pods is lost. It returns how many requests were sent again: some are under way to each pod.
func (s *suite) sendWhilePodsGo(ctx context.Context, kubeconfig, source, to string) (retries int, err error) {
	pods, err := s.operatorPods(ctx)
	if err != nil {
		return 0, err
	}
	lost := 0
	var wrong error
	told := func(e event) {
		switch {
		case e.Event == "retry":
			retries++
		case e.Event == "progress" && e.Done > int64(lost+1)*forwardSize/4 && lost < len(pods):
			wrong = errors.Join(wrong, s.lose(ctx, pods[lost]))
			lost++
		}
	}
	if err := s.developerRuns(ctx, kubeconfig, told, "put", "--json", source, to); err != nil {
		return retries, err
	}
	if wrong != nil || lost != 2 || retries == 0 {
		return retries, errors.Join(fmt.Errorf("%d pods were lost meanwhile, and %d requests were sent again", lost, retries), wrong)
	}
	return retries, nil
}

// lose takes a pod away as a node that fails does. Its process is killed first: the kubelet gives
// one that is deleted two seconds even without a grace period, in which the operator ends what is
// under way.
func (s *suite) lose(ctx context.Context, pod corev1.Pod) error {
	if err := s.kill(ctx, pod); err != nil {
		return err
	}
	return s.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: ptr.To(int64(0))})
}

// randomFile makes a file, and returns its digest.
func randomFile(path string, size int64) (string, error) {
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	var seed [32]byte
	_, _ = rand.Read(seed[:])
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(file, sum), mathrand.NewChaCha8(seed), size); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", sum.Sum(nil)), file.Close()
}

// digest is that of a file.
func digest(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	_, err = io.Copy(sum, file)
	return fmt.Sprintf("%x", sum.Sum(nil)), err
}
