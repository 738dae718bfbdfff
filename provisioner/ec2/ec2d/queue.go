package ec2d

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// letter is a message of the one queue there is.
type letter struct {
	id, body string
	until    time.Time // hidden from others
}

// Send puts a message on the queue.
func (s *Server) Send(body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	s.letters = append(s.letters, &letter{id: fmt.Sprintf("letter-%d", s.made), body: body})
}

// Waiting is how many messages are on the queue, hidden or not.
func (s *Server) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.letters)
}

// serveJSON speaks the part of SQS that a poller needs, and of the price list.
func (s *Server) serveJSON(w http.ResponseWriter, r *http.Request, action string) {
	var in struct {
		MaxNumberOfMessages, VisibilityTimeout int
		Entries                                []struct{ ID, ReceiptHandle string }
		Filters                                []struct{ Field, Value string }
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{Action: action})
	if x := s.faults[action]; x != nil && x.times > 0 {
		x.times--
		w.WriteHeader(x.status())
		fmt.Fprintf(w, `{"__type":"com.amazonaws.sqs#%s","message":"as it was told to"}`, x.code)
		return
	}
	var out any
	switch action {
	case "ReceiveMessage":
		out = map[string]any{"Messages": s.receive(in.MaxNumberOfMessages, time.Duration(in.VisibilityTimeout)*time.Second)}
	case "DeleteMessageBatch":
		done := []map[string]string{}
		for _, e := range in.Entries {
			s.letters = slices.DeleteFunc(s.letters, func(l *letter) bool { return l.id == e.ReceiptHandle })
			done = append(done, map[string]string{"Id": e.ID})
		}
		out = map[string]any{"Successful": done, "Failed": []any{}}
	case "GetQueueAttributes":
		out = map[string]any{"Attributes": map[string]string{"ApproximateNumberOfMessages": fmt.Sprint(len(s.letters))}}
	case "GetProducts":
		list := []string{}
		for _, f := range in.Filters {
			if price := s.o.Prices[f.Value]; f.Field == "instanceType" && price > 0 {
				list = append(list, fmt.Sprintf(
					`{"terms":{"OnDemand":{"X.Y":{"priceDimensions":{"X.Y.Z":{"unit":"Hrs","pricePerUnit":{"USD":"%.10f"}}}}}}}`, price))
			}
		}
		out = map[string]any{"FormatVersion": "aws_v1", "PriceList": list}
	default:
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(w).Encode(out) // the client is gone
}

func (s *Server) receive(most int, hide time.Duration) []map[string]string {
	out, now := []map[string]string{}, s.o.Now()
	for _, l := range s.letters {
		if len(out) == most || now.Before(l.until) {
			continue
		}
		l.until = now.Add(hide)
		sum := md5.Sum([]byte(l.body))
		out = append(out, map[string]string{"MessageId": l.id, "ReceiptHandle": l.id, "Body": l.body, "MD5OfBody": hex.EncodeToString(sum[:])})
	}
	return out
}
