"""Running a command under a guard: it ends with the application, however that ends."""
