package ui

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

const (
	// headerTimeout is how long the header of a request may take.
	headerTimeout = 10 * time.Second
	// maxHeader is how many bytes a header may have.
	maxHeader = 64 << 10
	// endTimeout is how long Close waits for answers under way, which it has cut.
	endTimeout = 2 * time.Second
	// kubeRate is how many requests a second the Kubernetes API gets: lists come in pages.
	kubeRate = 50
)

// TokenSource gives the bearer tokens of the REST API.
type TokenSource interface {
	// Token gives the one of the next request. Its error must not contain it.
	Token(ctx context.Context) (string, error)
}

// API is the REST API as somebody.
type API struct {
	// Server is its address, Via how it is reached, in words, "" where nothing is to be said.
	Server, Via string
	// Namespace is that of requests which name none, "" for that of the token.
	Namespace string
	// Caller is the subject of the token, TokenFrom where it comes from, both "" where unknown.
	Caller, TokenFrom string
	Token             TokenSource
	Transport         http.RoundTripper
}

// Info is what is known before anything is asked. All may be "".
type Info struct {
	// Version is this program's.
	Version string
	// Context is the one of the kubeconfig, Namespace and Entity are what is shown first.
	Context, Namespace, Entity string
}

// Options say what the page shows, and as whom.
type Options struct {
	// Page has the files of the page.
	Page fs.FS
	// Kube is the way to the Kubernetes API, nil where there is none, for the reason NoKube.
	Kube   *rest.Config
	NoKube error
	// API finds the REST API. It is called until it has succeeded, when the page asks for it.
	API  func(context.Context) (*API, error)
	Info Info
	// Port to listen on at 127.0.0.1; 0 for that of the last time, which the file LastPort
	// remembers, or any free one. LastPort may be "".
	Port     int
	LastPort string
}

// Server serves the page, to whoever has followed a link.
type Server struct {
	info     Info
	host     string
	uid      int // of whoever runs it, -1 where users have no numbers
	sessions *sessions
	page     *page
	kube     dynamic.Interface
	noKube   error
	api      *finder

	http   *http.Server
	end    context.CancelFunc
	closed <-chan struct{}
	done   chan error
}

// New serves the page until ctx is done and Close is called. Neither API is asked for anything
// before the page is opened.
func New(ctx context.Context, o Options) (*Server, error) {
	files, err := readPage(o.Page)
	if err != nil {
		return nil, err
	}
	s := &Server{info: o.Info, page: files, uid: os.Getuid(), noKube: o.NoKube, done: make(chan error, 1)}
	if o.Kube != nil {
		config := rest.CopyConfig(o.Kube)
		config.QPS, config.Burst = kubeRate, 2*kubeRate
		if s.kube, err = dynamic.NewForConfig(config); err != nil {
			s.noKube = err
		}
	} else if s.noKube == nil {
		s.noKube = errors.New("there is no kubeconfig")
	}
	listener, err := listen(ctx, o.Port, o.LastPort)
	if err != nil {
		return nil, err
	}
	s.host = listener.Addr().String()
	_, port, _ := net.SplitHostPort(s.host)
	s.sessions = newSessions("iotfile-ui-" + port)
	ctx, end := context.WithCancel(ctx)
	s.end, s.closed = end, ctx.Done()
	s.api = &finder{ctx: ctx, find: o.API}
	s.http = &http.Server{
		Handler: s.guard(), ReadHeaderTimeout: headerTimeout, MaxHeaderBytes: maxHeader,
		BaseContext: func(net.Listener) context.Context { return ctx }, ConnContext: withPeer,
		ErrorLog: log.New(io.Discard, "", 0), // of broken connections, which the browser has seen
	}
	go func() { s.done <- s.http.Serve(listener) }()
	return s, nil
}

// Link makes an address that lets one browser in, once.
func (s *Server) Link() string { return "http://" + s.host + enterPath + "?key=" + s.sessions.newKey() }

// Close ends all answers, and returns when they have ended.
func (s *Server) Close() error {
	s.end()
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
	if err := <-s.done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// route gives a request to what answers it. The multiplexer of net/http would redirect paths with
// two slashes, which are for the REST API to refuse.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	name, upload := strings.CutPrefix(path, "/uploads/")
	switch {
	case path == "/info" && reads(r):
		s.serveInfo(w, r)
	case path == "/namespaces" && reads(r):
		s.serveNamespaces(w, r)
	case path == "/events" && r.Method == http.MethodGet:
		s.serveEvents(w, r)
	case upload && r.Method == http.MethodPatch:
		s.servePatch(w, r, name)
	case strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/namespaces/"):
		s.serveAPI(w, r)
	case reads(r) && s.page.serve(w, r):
	default:
		refuse(w, http.StatusNotFound, "there is nothing here")
	}
}

func reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// segments takes the escaping off the segments of a path, each of which has to be there.
func segments(escaped string, n int) ([]string, bool) {
	parts := strings.Split(escaped, "/")
	for i, part := range parts {
		text, err := url.PathUnescape(part)
		if err != nil || text == "" {
			return nil, false
		}
		parts[i] = text
	}
	return parts, len(parts) == n
}
