"""Systems that find: rankers of documents and comparers of sentences, small enough to be trained in seconds."""
