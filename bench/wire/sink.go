package main

import (
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
)

const (
	variantHeader = "x-bench-variant"
	maxNames      = 200
	answer        = `{"id":"c1","model":"stub","choices":[{"message":{"role":"assistant","content":"hello there"}}],` +
		`"usage":{"prompt_tokens":7,"completion_tokens":3}}`
	agentInfo = `{"version":"7.60.0","endpoints":["/v0.4/traces","/v0.5/traces"],"client_drop_p0s":false}`
)

// Counts is what one variant delivered.
type Counts struct {
	Spans         int64            `json:"spans"`
	Logs          int64            `json:"logs"`
	LogsWithTrace int64            `json:"logs_with_trace"`
	Points        int64            `json:"points"`
	Payloads      int64            `json:"payloads"`
	Bytes         int64            `json:"bytes"`
	Bad           int64            `json:"bad"`
	SpanNames     map[string]int64 `json:"span_names"`
	PointNames    map[string]int64 `json:"point_names"`
	Counted       map[string]int64 `json:"counted"` // by histogram: how many values it has counted
}

func (c *Counts) addSpan(name string) {
	c.Spans++
	count(c.SpanNames, name, 1)
}

func (c *Counts) addPoints(name string, n int64) {
	c.Points += n
	count(c.PointNames, name, n)
}

func count(names map[string]int64, name string, n int64) {
	if _, known := names[name]; !known && len(names) >= maxNames {
		name = "(other)"
	}
	names[name] += n
}

// Sink keeps the counts by variant.
type Sink struct {
	lock     sync.Mutex
	variants map[string]*Counts
}

func (s *Sink) take(variant string, body []byte, read func(*Counts, []byte) error) bool {
	s.lock.Lock()
	defer s.lock.Unlock()
	c := s.variants[variant]
	if c == nil {
		c = &Counts{SpanNames: map[string]int64{}, PointNames: map[string]int64{}, Counted: map[string]int64{}}
		s.variants[variant] = c
	}
	c.Payloads++
	c.Bytes += int64(len(body))
	if err := read(c, body); err != nil {
		c.Bad++
		return false
	}
	return true
}

func sink(arguments []string) error {
	flags := flag.NewFlagSet("sink", flag.ContinueOnError)
	port := flags.Int("port", 0, "port of everything; 0: a free one")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		return err
	}
	chosen := listener.Addr().(*net.TCPAddr).Port
	packets, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", chosen))
	if err != nil {
		return err
	}
	s := &Sink{variants: map[string]*Counts{}}
	go s.statsd(packets)
	server := &http.Server{Handler: s, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true) // what gRPC speaks
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // whoever started us is gone
		os.Exit(0)
	}()
	fmt.Printf("%d\n", chosen)
	return server.Serve(listener)
}

func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case path == "/counts":
		s.lock.Lock()
		defer s.lock.Unlock()
		_ = json.NewEncoder(w).Encode(s.variants)
	case path == "/reset":
		s.lock.Lock()
		defer s.lock.Unlock()
		s.variants = map[string]*Counts{}
	case path == "/v1/chat/completions":
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	case strings.HasPrefix(path, "/opentelemetry.proto.collector."):
		s.grpc(w, r)
	case strings.HasPrefix(path, "/v1/"):
		s.otlp(w, r)
	default:
		s.agent(w, r)
	}
}

func (s *Sink) otlp(w http.ResponseWriter, r *http.Request) {
	read := map[string]func(*Counts, []byte) error{
		"/v1/traces": readTraces, "/v1/logs": readLogs, "/v1/metrics": readMetrics,
	}[r.URL.Path]
	body, err := content(r)
	if err != nil || read == nil || !s.take(variantOf(r), body, read) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (s *Sink) grpc(w http.ResponseWriter, r *http.Request) {
	const prefix = 5 // a flag and the length of the one message
	read := map[string]func(*Counts, []byte) error{"trace": readTraces, "logs": readLogs, "metrics": readMetrics}
	body, err := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
	kind := strings.Split(r.URL.Path, ".")[3]
	status := "0"
	if err != nil || len(body) < prefix || body[0] != 0 || !s.take(variantOf(r), body[prefix:], read[kind]) {
		status = "13"
	}
	_, _ = w.Write(make([]byte, prefix)) // an empty message
	w.Header().Set("Grpc-Status", status)
}

// What is not OTLP: Datadog's agent and Sentry's ingestion; the rest is told that all is well.
func (s *Sink) agent(w http.ResponseWriter, r *http.Request) {
	body, err := content(r)
	w.Header().Set("Content-Type", "application/json")
	path := r.URL.Path
	switch {
	case path == "/info":
		_, _ = io.WriteString(w, agentInfo)
	case strings.HasSuffix(path, "/traces"):
		s.take("ddtrace", body, func(c *Counts, body []byte) error {
			return readDatadog(c, body, strings.HasPrefix(path, "/v0.5"))
		})
		_, _ = io.WriteString(w, `{"rate_by_service":{"service:,env:":1}}`)
	case strings.HasSuffix(path, "/envelope/"):
		s.take("sentry", body, func(c *Counts, body []byte) error {
			if err != nil {
				return err
			}
			return readEnvelope(c, body)
		})
		_, _ = io.WriteString(w, `{"id":"1"}`)
	default:
		_, _ = io.WriteString(w, `{}`)
	}
}

func (s *Sink) statsd(packets net.PacketConn) {
	buffer := make([]byte, 65536)
	for {
		n, _, err := packets.ReadFrom(buffer)
		if err != nil {
			return
		}
		s.take("ddtrace", buffer[:n], func(c *Counts, body []byte) error {
			for _, line := range strings.Split(string(body), "\n") {
				if name, _, found := strings.Cut(line, ":"); found {
					c.addPoints(name, 1)
				}
			}
			return nil
		})
	}
}

func variantOf(r *http.Request) string {
	if name := r.Header.Get(variantHeader); name != "" {
		return name
	}
	return "unnamed"
}

func content(r *http.Request) ([]byte, error) {
	reader := io.Reader(r.Body)
	var err error
	switch r.Header.Get("Content-Encoding") {
	case "gzip":
		reader, err = gzip.NewReader(r.Body)
	case "deflate":
		reader, err = zlib.NewReader(r.Body)
	case "", "identity":
	default:
		err = fmt.Errorf("content encoding %q", r.Header.Get("Content-Encoding"))
	}
	if err != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		return nil, err
	}
	return io.ReadAll(reader)
}
