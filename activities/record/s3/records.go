// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/record"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
)

const (
	// gather is how long lines are gathered before they become an object: what a worker that is killed may lose.
	gather = time.Minute
	// large is from how many bytes on an object waits for no more lines.
	large = 1 << 20
	// room is how many bytes of lines are held that the store has not taken yet.
	room = 32 << 20
	// senders is how many objects are written at once.
	senders = 4
	// patience is how long one attempt may take.
	patience = 30 * time.Second
	// firstPause and longestPause between attempts.
	firstPause, longestPause = time.Second, time.Minute
	// suffix of the objects that are parts of a record.
	suffix = ".jsonl"
)

// Putter writes objects that nobody has written before. It is a [Bucket].
type Putter interface {
	// Put may be called again after an error.
	Put(ctx context.Context, key string, body []byte) error
	String() string
}

// Records are records in a bucket.
type Records struct {
	bucket Putter
	clock  activities.Clock
	logger *slog.Logger
	writer string
	more   chan struct{} // there is something to send
	ending chan struct{} // nothing will be added
	ended  context.Context
	end    context.CancelFunc
	sent   sync.WaitGroup

	mu     sync.Mutex
	open   map[string]*part // by release
	sealed []*part
	held   int // bytes
	number int
	last   time.Time
	away   error // nil while the store takes what it is sent
	lost   int   // lines, since it is away
}

// part of a record, which is to be one object.
type part struct {
	key   string
	began time.Time
	body  []byte
}

var _ activities.Recorder = (*Records)(nil)

// Keep begins to keep records in a bucket. The first thing it writes is a note, once per bucket and prefix, so that a
// bucket that is missing or refuses is known at once. Close ends it.
func Keep(bucket Putter, clock activities.Clock, logger *slog.Logger) *Records {
	ctx, end := context.WithCancel(context.Background())
	r := &Records{
		bucket: bucket, clock: clock, logger: logger, writer: rand.Text()[:10], open: map[string]*part{},
		more: make(chan struct{}, 1), ending: make(chan struct{}), ended: ctx, end: end,
	}
	note := fmt.Sprintf("Slipway keeps the records of releases here. What stands here is never changed.\nslipway judge replay %s/RELEASE\n", bucket)
	r.sealed, r.held = []*part{{key: "slipway.txt", body: []byte(note)}}, len(note)
	for range senders {
		r.sent.Go(r.send)
	}
	return r
}

// Append takes lines and waits for nothing. An error means that they are lost, since too much waits already.
func (r *Records) Append(_ context.Context, entries ...judge.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	release, lines, err := record.Lines(entries...)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held+len(lines) > room {
		r.lost += len(entries)
		return fmt.Errorf("write record of %s: %d MiB wait for %s already: %w", release, room>>20, r.bucket, r.why())
	}
	p := r.open[release]
	if p == nil {
		p = r.begin(release)
	}
	p.body, r.held = append(p.body, lines...), r.held+len(lines)
	if len(p.body) >= large || weighty(entries) {
		r.seal(release)
	}
	return nil
}

// weighty entries say how a watch began or ended: a record is worth little without them.
func weighty(entries []judge.Entry) bool {
	for _, e := range entries {
		if e.Watch != nil || e.Verdict != nil {
			return true
		}
	}
	return false
}

// begin makes a part whose name comes after all others of this writer, even if its clock was set back.
func (r *Records) begin(release string) *part {
	now := r.clock.Now()
	if now.After(r.last) {
		r.last = now
	}
	r.number++
	p := &part{
		key:   fmt.Sprintf("%s/%s-%s-%08d%s", release, r.last.UTC().Format("20060102T150405.000Z"), r.writer, r.number, suffix),
		began: now,
	}
	r.open[release] = p
	return p
}

func (r *Records) seal(release string) {
	r.sealed = append(r.sealed, r.open[release])
	delete(r.open, release)
	select {
	case r.more <- struct{}{}:
	default:
	}
}

// why something waits.
func (r *Records) why() error {
	if r.away == nil {
		return errors.New("it is slow")
	}
	return r.away
}

// Close sends what is held, until ctx is done. An error says what is lost then.
func (r *Records) Close(ctx context.Context) error {
	close(r.ending)
	stop := context.AfterFunc(ctx, r.end)
	defer stop()
	r.sent.Wait()
	r.end()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held > 0 {
		return fmt.Errorf("write records: %d bytes are lost, which %s has not taken: %w", r.held, r.bucket, r.why())
	}
	return nil
}
