"""The leaderboard: a static site of all records of a store. `build.publish` makes it."""
