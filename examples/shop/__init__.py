"""A small shop: FastAPI, async SQLAlchemy, a Celery worker and two webhook endpoints."""
