package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	patience = 20 * time.Second
	prompt   = `{"prompt":"say hello"}`
	slots    = 50 // one turn of the mix
	longest  = 10 * time.Minute
)

// The mix: of 50 requests 40 items, 5 health, 4 chats, 1 failure.
func requests(port int) [][]byte {
	head := fmt.Sprintf("Host: 127.0.0.1:%d\r\nUser-Agent: bench\r\nAccept: */*\r\n", port)
	var made [][]byte
	for item, slot := 0, 1; slot <= 10*slots; slot++ {
		switch place := (slot-1)%slots + 1; {
		case place == 25:
			made = append(made, []byte("GET /boom HTTP/1.1\r\n"+head+"\r\n"))
		case place%10 == 3:
			made = append(made, []byte("GET /health HTTP/1.1\r\n"+head+"\r\n"))
		case place == 7 || place == 19 || place == 31 || place == 44:
			made = append(made, []byte("POST /chat HTTP/1.1\r\n"+head+
				fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(prompt), prompt)))
		default:
			item = item%100 + 1
			made = append(made, []byte(fmt.Sprintf("GET /items/%d HTTP/1.1\r\n%s\r\n", item, head)))
		}
	}
	return made
}

// Run is one load in progress; arrivals carry the time at which a request is due.
type Run struct {
	address  string
	mix      [][]byte
	arrivals chan time.Time
	lock     sync.Mutex
	taken    []time.Duration
	statuses map[string]int
	failed   int
	next     int
}

func load(arguments []string) error {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	port := flags.Int("port", 0, "port of the server on 127.0.0.1")
	seconds := flags.Float64("seconds", 1, "how long to send")
	limit := flags.Int("requests", 0, "send this many at most; 0: as the time allows")
	connections := flags.Int("connections", 16, "connections; each has one request at a time")
	rate := flags.Float64("rate", 0, "requests a second at random times, whatever the answers do; 0: as fast as they come")
	seed := flags.Uint64("seed", 1, "of the random times")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	last := time.Duration(*seconds * float64(time.Second))
	if last > longest || *port == 0 {
		return errors.New("load needs a port, and lasts 10 minutes at most")
	}
	run := &Run{
		address: fmt.Sprintf("127.0.0.1:%d", *port), mix: requests(*port), statuses: map[string]int{},
		arrivals: make(chan time.Time, 1<<16),
	}
	start := time.Now()
	var workers sync.WaitGroup
	for range *connections {
		workers.Go(func() { run.work(start.Add(last), *rate == 0, *limit) })
	}
	if *rate > 0 {
		run.arrive(start, last, *rate, *seed, *limit)
	}
	close(run.arrivals)
	workers.Wait()
	return json.NewEncoder(os.Stdout).Encode(run.summary(time.Since(start)))
}

// Poisson arrivals, the same for the same seed.
func (r *Run) arrive(start time.Time, last time.Duration, rate float64, seed uint64, limit int) {
	random := rand.New(rand.NewPCG(seed, seed))
	at := time.Duration(0)
	for n := 0; limit == 0 || n < limit; n++ {
		at += time.Duration(random.ExpFloat64() / rate * float64(time.Second))
		if at > last {
			return
		}
		time.Sleep(time.Until(start.Add(at)))
		select {
		case r.arrivals <- start.Add(at):
		default: // the server is hopelessly behind
			r.note(0, "", errors.New("too many wait"))
		}
	}
}

func (r *Run) work(end time.Time, closed bool, limit int) {
	wire := &connection{address: r.address}
	defer wire.close()
	for {
		due := time.Now()
		if closed && due.After(end) {
			return
		}
		if !closed {
			arrival, more := <-r.arrivals
			if !more {
				return
			}
			due = arrival
		}
		request := r.request(limit)
		if request == nil {
			return
		}
		status, err := wire.exchange(request)
		r.note(time.Since(due), status, err)
	}
}

func (r *Run) request(limit int) []byte {
	r.lock.Lock()
	defer r.lock.Unlock()
	if limit > 0 && r.next >= limit {
		return nil
	}
	r.next++
	return r.mix[(r.next-1)%len(r.mix)]
}

func (r *Run) note(took time.Duration, status string, err error) {
	r.lock.Lock()
	defer r.lock.Unlock()
	if err != nil {
		r.failed++
		return
	}
	r.taken = append(r.taken, took)
	r.statuses[status]++
}

func (r *Run) summary(took time.Duration) map[string]any {
	slices.Sort(r.taken)
	quantile := func(q float64) float64 {
		if len(r.taken) == 0 {
			return 0
		}
		return float64(r.taken[min(len(r.taken)-1, int(q*float64(len(r.taken))))]) / 1e6
	}
	return map[string]any{
		"requests": len(r.taken), "seconds": took.Seconds(), "failed": r.failed, "statuses": r.statuses,
		"p50_ms": quantile(.5), "p90_ms": quantile(.9), "p99_ms": quantile(.99), "p999_ms": quantile(.999),
	}
}

type connection struct {
	address string
	socket  net.Conn
	reader  *bufio.Reader
}

func (c *connection) close() {
	if c.socket != nil {
		_ = c.socket.Close()
		c.socket = nil
	}
}

func (c *connection) exchange(request []byte) (string, error) {
	reused := c.socket != nil
	status, err := c.try(request)
	if err != nil && reused { // the server had closed the idle connection
		c.close()
		status, err = c.try(request)
	}
	if err != nil {
		c.close()
		return "", err
	}
	if status[0] == '5' { // Uvicorn closes the connection after an exception
		c.close()
	}
	return status, nil
}

func (c *connection) try(request []byte) (string, error) {
	if c.socket == nil {
		socket, err := net.DialTimeout("tcp", c.address, patience)
		if err != nil {
			return "", err
		}
		c.socket, c.reader = socket, bufio.NewReader(socket)
	}
	if err := c.socket.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := c.socket.Write(request); err != nil {
		return "", err
	}
	return c.answer()
}

func (c *connection) answer() (string, error) {
	line, err := c.reader.ReadString('\n')
	if err != nil {
		return "", err
	}
	parts := strings.SplitN(line, " ", 3)
	if len(parts) < 3 {
		return "", errors.New("no status line")
	}
	length := -1
	for {
		line, err = c.reader.ReadString('\n')
		if err != nil {
			return "", err
		}
		if line == "\r\n" {
			break
		}
		if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, "content-length") {
			length, err = strconv.Atoi(strings.TrimSpace(value))
			if err != nil {
				return "", err
			}
		}
	}
	if length < 0 {
		return "", errors.New("no content length")
	}
	_, err = io.CopyN(io.Discard, c.reader, int64(length))
	return parts[1], err
}
