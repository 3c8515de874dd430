package notice

import "time"

// Delivery is a notice on its way to one address.
type Delivery struct {
	Notice
	Channel string // by which it is sent, e.g. email
	Address string // what the channel calls who is told
	Person  string // the ref of the user whose address it is, alone; "" if others read it, too
	Try     int    // 1 for the first
	// InDoubt says that an earlier try may have arrived: whoever made it did not live to note how it ended, or was not
	// answered.
	InDoubt bool
	Since   time.Time // when it was to be sent first
}

// Addressee is where a notice is to be sent. With a Problem it can't be: Address is then the ref that has none.
type Addressee struct {
	Channel string
	Address string
	Person  string // as of a Delivery
	Problem string
}

// Backlog is how it stands with what a channel has to send.
type Backlog struct {
	Channel string
	Waiting int // to be sent, or sent again
	GivenUp int // and not old enough to be forgotten
}
