package s3

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestLoanEndsWithRelease(t *testing.T) {
	l := borrow(strings.NewReader("content"), 7)
	if n, err := l.Read(make([]byte, 3)); n != 3 || err != nil {
		t.Fatalf("Read = %d, %v", n, err)
	}
	for range 2 {
		if err := l.release(); err != nil {
			t.Errorf("release of a sound body: %v", err)
		}
	}
	if n, err := l.Read(make([]byte, 3)); n != 0 || !errors.Is(err, errReleased) {
		t.Errorf("Read after release = %d, %v", n, err)
	}
	if err := l.release(); err != nil {
		t.Errorf("the refused Read is taken for an error of the body: %v", err)
	}
}

// TestLoanReleaseWaitsForRead: whoever has the body back may rely on nobody reading it.
func TestLoanReleaseWaitsForRead(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	l := borrow(readerFunc(func([]byte) (int, error) {
		close(begun)
		<-goOn
		return 1, nil
	}), 10)
	read, released := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := l.Read(make([]byte, 10))
		read <- err
	}()
	<-begun
	go func() { released <- l.release() }()
	select {
	case <-released:
		t.Fatal("release returned while the body was being read")
	case <-time.After(50 * time.Millisecond):
	}
	close(goOn)
	if err := <-read; err != nil {
		t.Errorf("Read: %v", err)
	}
	if err := <-released; err != nil {
		t.Errorf("release: %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestLoanRemembersTheError(t *testing.T) {
	broken := errors.New("broken")
	for name, tc := range map[string]struct {
		body io.Reader
		want error
	}{
		"short":   {strings.NewReader("abc"), io.ErrUnexpectedEOF},
		"failing": {io.MultiReader(strings.NewReader("abc"), failing{broken}), broken},
	} {
		l := borrow(tc.body, 10)
		_, err := io.ReadAll(l)
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: Read failed with %v, want %v", name, err, tc.want)
		}
		if _, err := l.Read(make([]byte, 1)); !errors.Is(err, tc.want) {
			t.Errorf("%s: Read after the failure gave %v", name, err)
		}
		if err := l.release(); !errors.Is(err, tc.want) {
			t.Errorf("%s: release gave %v, want %v", name, err, tc.want)
		}
	}
}
