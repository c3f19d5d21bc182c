package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
)

var errMalformed = errors.New("malformed payload")

// Protobuf, as far as counting needs it: visit calls back for each field of a message.
// `value` holds the bytes of a length-delimited field; `number` the value of a scalar one.
func visit(message []byte, field func(tag uint64, value []byte, number uint64) error) error {
	for len(message) > 0 {
		key, n := binary.Uvarint(message)
		if n <= 0 {
			return errMalformed
		}
		message = message[n:]
		var value []byte
		var number uint64
		size := 0
		switch key & 7 {
		case 0:
			if number, size = binary.Uvarint(message); size <= 0 {
				return errMalformed
			}
		case 1:
			if size = 8; len(message) >= size {
				number = binary.LittleEndian.Uint64(message)
			}
		case 2:
			length, n := binary.Uvarint(message)
			if n <= 0 || length > uint64(len(message)-n) {
				return errMalformed
			}
			size = n + int(length)
			value = message[n:size]
		case 5:
			size = 4
		default:
			return errMalformed
		}
		if size > len(message) {
			return errMalformed
		}
		message = message[size:]
		if err := field(key>>3, value, number); err != nil {
			return err
		}
	}
	return nil
}

// Calls back for each item (field 2) of each scope (field 2) of each resource (field 1), as all three signals have them.
func visitItems(request []byte, item func(scope string, item []byte) error) error {
	return visit(request, func(tag uint64, resource []byte, _ uint64) error {
		if tag != 1 {
			return nil
		}
		return visit(resource, func(tag uint64, group []byte, _ uint64) error {
			if tag != 2 {
				return nil
			}
			scope := ""
			return visit(group, func(tag uint64, value []byte, _ uint64) error {
				if tag == 1 {
					scope = text(value, 1)
				}
				if tag != 2 {
					return nil
				}
				return item(scope, value)
			})
		})
	})
}

func text(message []byte, wanted uint64) string {
	found := ""
	_ = visit(message, func(tag uint64, value []byte, _ uint64) error {
		if tag == wanted {
			found = string(value)
		}
		return nil
	})
	return found
}

func readTraces(c *Counts, request []byte) error {
	return visitItems(request, func(scope string, span []byte) error {
		c.addSpan(scope + "|" + text(span, 5))
		return nil
	})
}

func readLogs(c *Counts, request []byte) error {
	return visitItems(request, func(_ string, record []byte) error {
		c.Logs++
		return visit(record, func(tag uint64, value []byte, _ uint64) error {
			if tag == 9 && len(bytes.Trim(value, "\x00")) > 0 {
				c.LogsWithTrace++
			}
			return nil
		})
	})
}

func readMetrics(c *Counts, request []byte) error {
	totals := map[string]int64{} // of this request, for cumulative histograms
	err := visitItems(request, func(_ string, metric []byte) error {
		name := text(metric, 1)
		return visit(metric, func(tag uint64, data []byte, _ uint64) error {
			if tag < 5 || tag > 11 {
				return nil
			}
			points, values, delta, err := dataPoints(data, tag == 9 || tag == 10)
			if err != nil {
				return err
			}
			c.addPoints(name, points)
			if values > 0 && delta {
				count(c.Counted, name, values)
			} else if values > 0 {
				totals[name] += values
			}
			return nil
		})
	})
	for name, total := range totals {
		c.Counted[name] = total
	}
	return err
}

func dataPoints(data []byte, histogram bool) (points, values int64, delta bool, err error) {
	err = visit(data, func(tag uint64, point []byte, number uint64) error {
		if tag == 2 {
			delta = number == 1
		}
		if tag != 1 {
			return nil
		}
		points++
		if !histogram {
			return nil
		}
		return visit(point, func(tag uint64, _ []byte, number uint64) error {
			if tag == 4 {
				values += int64(number)
			}
			return nil
		})
	})
	return points, values, delta, err
}

// Datadog's traces: MessagePack, an array of traces of spans; version 0.5 puts a table of strings before it.
func readDatadog(c *Counts, body []byte, table bool) error {
	p := &pack{rest: body}
	if table {
		if p.array() != 2 {
			return errMalformed
		}
		p.skip()
	}
	for traces := p.array(); traces > 0 && p.err == nil; traces-- {
		for spans := p.array(); spans > 0 && p.err == nil; spans-- {
			p.skip()
			if p.err == nil {
				c.addSpan("ddtrace")
			}
		}
	}
	return p.err
}

// Sentry's envelope: a header line, then items of a header line and a payload each.
func readEnvelope(c *Counts, body []byte) error {
	_, body, _ = bytes.Cut(body, []byte("\n"))
	for len(bytes.TrimSpace(body)) > 0 {
		var head struct {
			Type      string `json:"type"`
			Length    int    `json:"length"`
			ItemCount int64  `json:"item_count"`
		}
		line, rest, _ := bytes.Cut(body, []byte("\n"))
		if err := json.Unmarshal(line, &head); err != nil {
			return err
		}
		if head.Length == 0 {
			head.Length = max(0, bytes.IndexByte(rest, '\n'))
		}
		head.Length = min(head.Length, len(rest))
		if err := readItem(c, head.Type, head.ItemCount, rest[:head.Length]); err != nil {
			return err
		}
		body = bytes.TrimLeft(rest[head.Length:], "\n")
	}
	return nil
}

func readItem(c *Counts, kind string, items int64, payload []byte) error {
	switch kind {
	case "transaction":
		var found struct {
			Spans []json.RawMessage `json:"spans"`
		}
		if err := json.Unmarshal(payload, &found); err != nil {
			return err
		}
		c.addSpan("transaction")
		for range found.Spans {
			c.addSpan("span")
		}
	case "log":
		var found struct {
			Items []struct {
				TraceID string `json:"trace_id"`
			} `json:"items"`
		}
		if err := json.Unmarshal(payload, &found); err != nil {
			return err
		}
		c.Logs += items
		for _, item := range found.Items {
			if item.TraceID != "" {
				c.LogsWithTrace++
			}
		}
	case "span":
		for ; items > 0; items-- {
			c.addSpan("span")
		}
	case "trace_metric":
		c.addPoints(kind, items)
	}
	return nil
}
