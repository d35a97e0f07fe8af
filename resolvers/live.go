package resolvers

// once returns the stream of a subscription of which an event is answered. Each
// event is an operation of its own, so its stream has one object. A failure to
// read it is that of the field.
func once[T any](object T, err error) (<-chan T, error) {
	if err != nil {
		return nil, err
	}
	stream := make(chan T, 1)
	stream <- object
	close(stream)
	return stream, nil
}
