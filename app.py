"""The demo: `python app.py`. Hugging Face Spaces run this file."""

import demo.accelerator  # noqa: F401 before anything else: ZeroGPU lends its GPU only to programs that import it first
from demo.site import main

if __name__ == "__main__":
    main()
