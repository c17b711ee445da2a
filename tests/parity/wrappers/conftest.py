from one_thread import one_thread  # noqa: F401 - pytest finds fixtures by their names here
