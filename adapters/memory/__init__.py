"""In-memory fakes of every port. They are product code and pass the same contract tests as the real adapters.

Teams that build on opledger test against these fakes. Nothing sleeps and nothing is random.
"""
