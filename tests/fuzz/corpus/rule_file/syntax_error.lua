return { api = 1
